"""What quotas need from the outside world."""

from collections.abc import Sequence
from typing import Protocol

from controlplane.quotas.model import Counted, QuotaCorrected, RecentChange, TenantUse, Use
from controlplane.requests import Page, PageRequest


class UseCounter(Protocol):
    def get(self, tenant_id: str) -> Counted: ...

    def correct(self, tenant_id: str, counted: Counted, event: QuotaCorrected) -> None:
        """Replace the count by what the event found. Raises ConcurrentChangeError when it has moved meanwhile."""
        ...


class Inventory(Protocol):
    def count(self, tenant_id: str) -> Use:
        """Count what the tenant really has, item by item."""
        ...


class TenantDirectory(Protocol):
    def list_ids(self, page: PageRequest) -> Page[str]:
        """The tenants of the platform by id."""
        ...

    def list_use(self, page: PageRequest) -> Page[TenantUse]:
        """The tenants of the platform by id, each with its use; at most 50 a page."""
        ...


class ChangeHistory(Protocol):
    def list_recent(self, tenant_id: str, count: int) -> Sequence[RecentChange]:
        """The last changes of a tenant, newest first."""
        ...
