"""From the queue of changes to a tenant's chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from pydantic import ValidationError

from controlplane.auditing.chain import ChainKeys, link_changes, link_of
from controlplane.auditing.model import Change, Link
from controlplane.auditing.ports import Anchors, AuditLedger, DeadLetters
from controlplane.errors import ConcurrentChangeError, HeadraceError, UnavailableError
from controlplane.identifiers import now

# A transaction holds at most 100 items, and a change makes at most 12 of them.
MAX_CHANGES = 8
_ATTEMPTS = 3


@dataclass(frozen=True)
class Message:
    """A message of the queue; `group` is the tenant."""

    message_id: str
    group: str
    body: str


@dataclass(frozen=True)
class Recorded:
    """How many changes were new, where the chain ends now, and whether that is anchored."""

    count: int
    head: Link
    anchored: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a group's messages: those that must come again, in their order, and why."""

    recorded: Sequence[Recorded]
    failed: Sequence[str] = ()
    error: HeadraceError | None = None


def record_group(
    messages: Sequence[Message],
    *,
    ledger: AuditLedger,
    anchors: Anchors,
    keys: ChainKeys,
    dead_letters: DeadLetters,
) -> Outcome:
    """Record the messages of one group, in their order. After one that fails, all later ones must come again too.

    A message that cannot be read would fail for ever and hold up its tenant's chain: it goes to the dead letters, and a
    record that tells so takes its place.
    """
    recorded: list[Recorded] = []
    for start in range(0, len(messages), MAX_CHANGES):
        some = messages[start : start + MAX_CHANGES]
        try:
            changes = [_change_of(message, dead_letters) for message in some]
            recorded.append(
                record_changes(some[0].group, changes, ledger=ledger, anchors=anchors, keys=keys)
            )
        except HeadraceError as error:
            return Outcome(recorded, [message.message_id for message in messages[start:]], error)
    return Outcome(recorded)


def _change_of(message: Message, dead_letters: DeadLetters) -> Change:
    try:
        change = Change.model_validate_json(message.body)
    except ValidationError:
        change = None
    if change is not None and change.tenant_id == message.group:
        return change
    dead_letters.put(message.group, message.message_id, message.body)
    place = f"messages/{message.message_id}"
    return Change.unreadable(message.group, place, now(), sha256(message.body.encode()).hexdigest())


def record_changes(
    tenant_id: str,
    changes: Sequence[Change],
    *,
    ledger: AuditLedger,
    anchors: Anchors,
    keys: ChainKeys,
) -> Recorded:
    """Continue a tenant's chain with at most 8 changes, in their order; those recorded before are left out.

    Raises ConcurrentChangeError when another recorder is at work on the same chain, UnavailableError, ThrottledError.
    """
    for attempt in range(_ATTEMPTS):
        head, known = ledger.state(tenant_id, [change.event_id for change in changes])
        fresh = {c.event_id: c for c in changes if c.event_id not in known}
        if not fresh:
            return Recorded(0, head, anchored=True)
        records = link_changes(list(fresh.values()), head, now(), keys)
        try:
            ledger.append(tenant_id, head, records)
        except ConcurrentChangeError:
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            return _anchored(tenant_id, len(records), link_of(records[-1]), anchors)
    raise AssertionError("every attempt returns or raises")


def _anchored(tenant_id: str, count: int, head: Link, anchors: Anchors) -> Recorded:
    """The chain goes on without an anchor: the next one covers what lies before it."""
    try:
        anchors.keep(tenant_id, head)
    except UnavailableError:
        return Recorded(count, head, anchored=False)
    return Recorded(count, head, anchored=True)
