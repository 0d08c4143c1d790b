"""What auditing needs from the outside world."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from controlplane.auditing.model import AccessDenied, AuditRecord, Change, Entry, Filter, Link
from controlplane.requests import Page, PageRequest


class ItemChange(Protocol):
    """One record of the table's stream; `event` is the one that this change caused."""

    @property
    def sequence_number(self) -> str: ...
    @property
    def old(self) -> Mapping[str, Any] | None: ...
    @property
    def new(self) -> Mapping[str, Any] | None: ...
    @property
    def event(self) -> Mapping[str, Any] | None: ...


class ChangeQueue(Protocol):
    def send(self, changes: Sequence[Change]) -> Sequence[bool]:
        """Put changes on the queue in their order; for each, whether it was taken.

        None is sent after a request in which one was not taken. Raises UnavailableError.
        """
        ...


class AuditLedger(Protocol):
    """Where chains are written, by the recorder alone."""

    def state(self, tenant_id: str, event_ids: Sequence[str]) -> tuple[Link, frozenset[str]]:
        """The chain's head, and those of the events that are recorded already."""
        ...

    def append(self, tenant_id: str, head: Link, records: Sequence[AuditRecord]) -> None:
        """Store records after that head, and move it, all or nothing.

        Raises ConcurrentChangeError when the chain has grown, or one of the events was recorded meanwhile.
        """
        ...


class AuditTrail(Protocol):
    """Where chains are read."""

    def head(self, tenant_id: str) -> Link: ...

    def entries(self, tenant_id: str, after: int, limit: int) -> Page[Entry]:
        """What is stored at the next `limit` places of the chain after that number."""
        ...

    def find(self, tenant_id: str, wanted: Filter, page: PageRequest) -> Page[AuditRecord]:
        """Records that match, the latest first. A page may hold fewer than were asked for, and have a next one."""
        ...


class Anchors(Protocol):
    """Links of chains, kept where whoever writes the table can take nothing away."""

    def keep(self, tenant_id: str, link: Link) -> None:
        """Raises UnavailableError."""
        ...

    def after(self, tenant_id: str, sequence: int) -> Sequence[Link]:
        """The next anchors after that number, up to a thousand, in their order. Raises UnavailableError."""
        ...


class DeadLetters(Protocol):
    def put(self, group: str, message_id: str, body: str) -> None:
        """Keep a message that can never be recorded, for a person to look at. Raises UnavailableError."""
        ...


class DenialLog(Protocol):
    def write(self, denied: AccessDenied) -> None:
        """Store a refusal, so that its event reaches the tenant's chain."""
        ...
