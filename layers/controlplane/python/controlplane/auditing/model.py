"""Audit records, the chain that they form, and refusals that are worth one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from controlplane.events import SYSTEM, DomainEvent
from controlplane.identifiers import TenantId

GENESIS = "0" * 64  # what the first record of a chain follows
UNREADABLE = "ChangeUnreadable"


class Change(BaseModel):
    """One change of an item, by references and digests alone: what travels from the stream to the recorder.

    `action` is the event's type, `resource` its subject; `before` and `after` are the SHA-256 of the item's canonical
    JSON without its event, None where there was no item. `details` are those of a refusal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant_id: TenantId
    event_id: str
    time: AwareDatetime
    actor: str
    action: str
    resource: str
    correlation_id: str
    causation_id: str | None = None
    before: str | None = None
    after: str | None = None
    details: Mapping[str, str | int] = {}

    @classmethod
    def unreadable(cls, tenant_id: str, place: str, time: datetime, content: str) -> "Change":
        """What stands in the chain for a change that cannot be read; `content` is the SHA-256 of what came."""
        return cls(
            tenant_id=tenant_id,
            event_id=place,
            time=time,
            actor=SYSTEM,
            action=UNREADABLE,
            resource=place,
            correlation_id=place,
            after=content,
        )


class AuditRecord(Change):
    """A link of a tenant's chain. `hash` covers every other field, `previous_hash` among them.

    `key` numbers the secret that the hash was made with.
    """

    sequence: int
    recorded_at: AwareDatetime
    key: int
    previous_hash: str
    hash: str = ""


@dataclass(frozen=True)
class Link:
    """A place in a chain: the number and the hash of a record."""

    sequence: int
    hash: str


START = Link(0, GENESIS)


@dataclass(frozen=True)
class Entry:
    """What is stored at a place of the chain; `record` is None if it is no audit record."""

    position: int
    record: AuditRecord | None


class FaultKind(StrEnum):
    MISSING = "Missing"
    ALTERED = "Altered"
    MOVED = "Moved"
    UNLINKED = "Unlinked"
    TRUNCATED = "Truncated"
    HEAD_MISMATCH = "HeadMismatch"
    ANCHOR_MISMATCH = "AnchorMismatch"


class Fault(BaseModel):
    """The first place at which a chain is not as it was made."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    kind: FaultKind
    message: str


@dataclass(frozen=True)
class Verification:
    """A stretch of a chain that was checked: up to and with `last`, unless `fault` stopped it.

    `complete` when the chain's end was reached, and compared with its head and anchors. `checked` counts what is sound.
    """

    checked: int
    last: Link
    head: Link
    complete: bool
    fault: Fault | None = None


@dataclass(frozen=True)
class Filter:
    """Which records are wanted, by when they happened, who did it, and what it was done to or below of."""

    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    resource: str | None = None


class AccessDenied(DomainEvent):
    """So often an actor was refused an action within a minute or so; `resource` is the last one asked for."""

    capability: ClassVar[str] = "auditing"

    action: str
    resource: str
    count: int
    first_at: datetime
    last_at: datetime

    @property
    def subject(self) -> str:
        return self.resource
