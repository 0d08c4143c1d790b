"""Chains of audit records in memory, and what lies around them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from controlplane.auditing.model import START, AuditRecord, Change, Entry, Filter, Link
from controlplane.errors import ConcurrentChangeError, UnavailableError
from controlplane.requests import Page, PageRequest


@dataclass
class MemoryAudit:
    """An AuditLedger and an AuditTrail. `failures` are raised by the next writes, one each."""

    records: dict[str, list[AuditRecord]] = field(default_factory=dict)
    heads: dict[str, Link] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)

    def chain(self, tenant_id: str) -> list[AuditRecord]:
        return self.records.get(tenant_id, [])

    def state(self, tenant_id: str, event_ids: Sequence[str]) -> tuple[Link, frozenset[str]]:
        known = {record.event_id for record in self.chain(tenant_id)}
        return self.head(tenant_id), frozenset(known & set(event_ids))

    def append(self, tenant_id: str, head: Link, records: Sequence[AuditRecord]) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if self.head(tenant_id) != head:
            raise ConcurrentChangeError("the chain has grown")
        chain = self.records.setdefault(tenant_id, [])
        chain += records
        self.heads[tenant_id] = Link(chain[-1].sequence, chain[-1].hash)

    def head(self, tenant_id: str) -> Link:
        return self.heads.get(tenant_id, START)

    def entries(self, tenant_id: str, after: int, limit: int) -> Page[Entry]:
        found = [Entry(record.sequence, record) for record in self.chain(tenant_id)]
        rest = [entry for entry in found if entry.position > after]
        return Page(rest[:limit], str(rest[limit - 1].position) if len(rest) > limit else None)

    def find(self, tenant_id: str, wanted: Filter, page: PageRequest) -> Page[AuditRecord]:
        raise NotImplementedError("lists are tried on the real table")


@dataclass
class MemoryAnchors:
    links: dict[str, list[Link]] = field(default_factory=dict)
    available: bool = True

    def keep(self, tenant_id: str, link: Link) -> None:
        if not self.available:
            raise UnavailableError("S3 does not keep the anchor")
        self.links.setdefault(tenant_id, []).append(link)

    def after(self, tenant_id: str, sequence: int) -> Sequence[Link]:
        return [link for link in self.links.get(tenant_id, []) if link.sequence > sequence]


@dataclass
class MemoryChangeQueue:
    """Takes at most `room` changes; None: all."""

    sent: list[Change] = field(default_factory=list)
    room: int | None = None

    def send(self, changes: Sequence[Change]) -> Sequence[bool]:
        taken = [self.room is None or number < self.room for number in range(len(changes))]
        self.sent += [change for change, ok in zip(changes, taken, strict=True) if ok]
        return taken


@dataclass
class MemoryDeadLetters:
    letters: list[tuple[str, str, str]] = field(default_factory=list)

    def put(self, group: str, message_id: str, body: str) -> None:
        self.letters.append((group, message_id, body))
