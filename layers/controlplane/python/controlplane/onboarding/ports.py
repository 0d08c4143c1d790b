"""What onboarding needs from the outside world."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from controlplane.limits import Isolation, Limits, Quota
from controlplane.onboarding.model import TenantEvent, TenantRecord, TenantSummary
from controlplane.requests import IdempotentRequest, Page, PageRequest


@dataclass(frozen=True)
class TierTerms:
    """What a subscription to a tier gives."""

    name: str
    isolation: Isolation
    limits: Limits


@dataclass(frozen=True)
class CreationBasis:
    """What is known when a tenant is asked for: itself, the tier, and the answer to the same request before."""

    tenant: TenantRecord | None
    terms: TierTerms | None
    first_answer: TenantRecord | None


class TenantRepository(Protocol):
    def get(self, tenant_id: str) -> TenantRecord:
        """Raises NotFoundError."""
        ...

    def get_with_quotas(self, tenant_id: str) -> tuple[TenantRecord, Mapping[Quota, int]]:
        """The tenant and what it uses of its quotas, in one read. Raises NotFoundError."""
        ...

    def list(self, page: PageRequest) -> Page[TenantSummary]:
        """All tenants there ever were, by name."""
        ...

    def read_basis(
        self, tenant_id: str, tier: str, request: IdempotentRequest | None
    ) -> CreationBasis:
        """In one read. Raises IdempotencyKeyReusedError."""
        ...

    def save(
        self,
        known: TenantRecord | None,
        changed: TenantRecord,
        event: TenantEvent | None = None,
        request: IdempotentRequest | None = None,
    ) -> TenantRecord:
        """Store the tenant over what was read before, with its directory entry: all or nothing.

        Returns it with its new version; without an event nothing is announced. Raises ConcurrentChangeError.
        """
        ...


@dataclass(frozen=True)
class Removal:
    """How far a removal came: `gone` when nothing is left, `count` of what this call removed.

    `position` is where the next call goes on; `note` is kept in the step's record.
    """

    gone: bool
    count: int = 0
    position: str | None = None
    note: str | None = None


class TenantPart(Protocol):
    """Something that a tenant has outside its own item. Everything may be repeated, also at the same time."""

    def apply(self, tenant: TenantRecord, /) -> str | None:
        """Make it as it should be; why there is nothing to make, if so."""
        ...

    def remove(self, tenant: TenantRecord, position: str | None, /) -> Removal:
        """Remove some or all of it; what is not there is no error."""
        ...


class ServingSwitch(Protocol):
    """Takes the pods of a tenant's models away, and brings them back. Raises ClusterUnavailableError."""

    def stop_serving(self, tenant_id: str) -> None: ...

    def resume_serving(self, tenant_id: str) -> None: ...
