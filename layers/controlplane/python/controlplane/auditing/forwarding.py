"""From the table's stream to the queue of changes."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from controlplane.auditing.digests import canonical_json, digest_of
from controlplane.auditing.model import AccessDenied, Change
from controlplane.auditing.ports import ChangeQueue, ItemChange
from controlplane.events import SYSTEM
from controlplane.identifiers import PLATFORM, now

_DENIAL_DETAILS = ("action", "count", "first_at", "last_at")


def forward_changes(changes: Sequence[ItemChange], *, queue: ChangeQueue) -> Sequence[str]:
    """Send each change with an event of its own; the sequence numbers of those that the queue did not take."""
    announced = [(change.sequence_number, change_of(change)) for change in changes if change.event]
    if not announced:
        return []
    taken = list(queue.send([change for _, change in announced]))
    taken += [False] * (len(announced) - len(taken))
    return [number for (number, _), ok in zip(announced, taken, strict=True) if not ok]


def change_of(change: ItemChange) -> Change:
    """What is told of a change that has an event. One whose event cannot be read is told as such."""
    event = dict(change.event or {})
    tenant_id = _tenant_of(change, event)
    try:
        return _readable(change, tenant_id, json.loads(event["detail"]))
    except (KeyError, TypeError, ValueError, ValidationError):
        place = str(event.get("id") or change.sequence_number)
        return Change.unreadable(tenant_id, place, now(), sha256(canonical_json(event)).hexdigest())


def _readable(change: ItemChange, tenant_id: str, detail: Mapping[str, Any]) -> Change:
    metadata = detail["metadata"]
    is_denial = metadata["type"] == AccessDenied.__name__
    return Change(
        tenant_id=tenant_id,
        event_id=metadata["id"],
        time=metadata["time"],
        actor=metadata.get("actor") or SYSTEM,
        action=metadata["type"],
        resource=metadata["subject"],
        correlation_id=metadata["correlation_id"],
        causation_id=metadata.get("causation_id"),
        before=digest_of(change.old),
        after=digest_of(change.new),
        details={name: detail["data"][name] for name in _DENIAL_DETAILS} if is_denial else {},
    )


def _tenant_of(change: ItemChange, event: Mapping[str, Any]) -> str:
    """Whose chain it belongs to: the tenant of the item's key. What the platform keeps tells by its event.

    So nothing that is written in one tenant's partition can reach another tenant's chain.
    """
    partition = str((change.new or {}).get("pk", ""))
    kind, _, rest = partition.partition("#")
    if kind == "TENANT":
        return rest.partition("#")[0]
    try:
        return str(json.loads(event["detail"])["metadata"]["tenant_id"])
    except (KeyError, TypeError, ValueError):
        return PLATFORM
