"""How entities become items: their JSON form, the version that guards them, the event that caused the change."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from controlplane.adapters.dynamodb_quotas import refuse_without_room, reservation_writes
from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    tenant_partition,
)
from controlplane.errors import (
    AlreadyExistsError,
    IdempotencyKeyReusedError,
    RequestInFlightError,
)
from controlplane.events import DomainEvent
from controlplane.identifiers import now
from controlplane.limits import Reservation
from controlplane.requests import IdempotentRequest

TOMBSTONE_LIFETIME = timedelta(days=7)
ABSENT = "attribute_not_exists(pk) OR attribute_exists(deleted_at)"
PRESENT = "attribute_exists(pk) AND attribute_not_exists(deleted_at)"
UNCHANGED = "#version = :known AND attribute_not_exists(deleted_at)"
VERSION = {"#version": "version"}
# Changes of one tenant meet in its quotas: DynamoDB cancels one of two that meet, and the next attempt passes.
ATTEMPTS = 3


def as_item(key: Key, entity: BaseModel, event: DomainEvent | None = None, **more: Any) -> Item:
    """The item of an entity; what is None is left out."""
    item = key.as_item() | attributes_of(entity) | more
    if event is not None:
        item["event"] = event_attribute(event)
    return item


def attributes_of(entity: BaseModel) -> Item:
    """The JSON form of an entity, less what is None; fractions as the shortest text that reads back as the same.

    A None that stands in the place of another default is kept: left out, it would be read as that default.
    DynamoDB's numbers are decimal, and know no NaN.
    """
    set_apart = entity.model_dump(mode="json", exclude_defaults=True)
    known = entity.model_dump(mode="json", exclude_none=True)
    attributes: Item = _without_fractions(_with_nothings(known, set_apart))
    return attributes


def _with_nothings(known: Any, set_apart: Any) -> Any:
    """What is known, with the None values of what differs from the defaults."""
    if isinstance(known, dict) and isinstance(set_apart, dict):
        nothings = {name: None for name, value in set_apart.items() if value is None}
        return nothings | {
            name: _with_nothings(value, set_apart.get(name)) for name, value in known.items()
        }
    if isinstance(known, list) and isinstance(set_apart, list) and len(known) == len(set_apart):
        return [_with_nothings(*pair) for pair in zip(known, set_apart, strict=True)]
    return known


def _without_fractions(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {name: _without_fractions(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_fractions(inner) for inner in value]
    return value


def event_attribute(event: DomainEvent) -> Item:
    """The event as the stream's consumer finds it in the item's image."""
    envelope = _with_text(event.envelope())
    if "also" in envelope:
        envelope["also"] = [_with_text(alias) for alias in envelope["also"]]
    return envelope


def _with_text(announced: Item) -> Item:
    return announced | {"detail": json.dumps(announced["detail"], separators=(",", ":"))}


def seconds(moment: datetime) -> int:
    """DynamoDB's time to live is in whole seconds since the epoch."""
    return int(moment.timestamp())


def tombstone(key: Key, event: DomainEvent, version: int) -> Item:
    """What stays of a deleted item for a while: that it was deleted, and the event that says so."""
    moment = now()
    return key.as_item() | {
        "deleted_at": moment.isoformat(),
        "expires_at": seconds(moment + TOMBSTONE_LIFETIME),
        "version": version + 1,
        "event": event_attribute(event),
    }


def unannounced_tombstone(key: Key) -> Write:
    """The same of what goes with another item, whose event tells of it."""
    moment = now()
    gone = {
        "deleted_at": moment.isoformat(),
        "expires_at": seconds(moment + TOMBSTONE_LIFETIME),
    }
    return Write(key, item=gone)


def put_over(key: Key, item: Item, known_version: int | None) -> Write:
    """Put an item over the version that was read before; None for one that was not there."""
    if known_version is None:
        return Write(key, item=item, condition=ABSENT)
    return Write(
        key, item=item, condition=UNCHANGED, names=VERSION, values={":known": known_version}
    )


def create(
    table: Table,
    tenant_id: str,
    item: Item,
    request: IdempotentRequest | None,
    reservations: Sequence[Reservation] = (),
    also: Sequence[Write] = (),
) -> Item:
    """Put a new item, once per idempotent request: a repeat returns the item as it was made first.

    Room is taken in the tenant's quotas, and `also` is written, by the same write. Raises AlreadyExistsError,
    QuotaExceededError, IdempotencyKeyReusedError, RequestInFlightError.
    """
    key = Key(item["pk"], item["sk"])
    made = Write(key, item=item, condition=ABSENT)
    counted = reservation_writes(tenant_id, reservations)
    if request is None and not counted and not also:
        try:
            table.put(made)
        except ConditionFailedError as exists:
            raise _exists(key) from exists
        return item
    writes = [made, *counted, *also]
    if request is not None:
        writes.append(_remember(tenant_id, item, request))
    for _ in range(ATTEMPTS):
        try:
            table.transact(writes)
        except TransactionCancelledError:
            first = _first_answer(table, tenant_id, key, request)
            if first is not None:
                return first
            refuse_without_room(table, tenant_id, reservations)
        else:
            return item
    raise RequestInFlightError(
        "other changes of the tenant are under way", remedy="Repeat the request a little later."
    )


def _memory_key(tenant_id: str, request: IdempotentRequest) -> Key:
    return Key(tenant_partition(tenant_id), f"IDEMPOTENCY#{request.key_digest}")


def _remember(tenant_id: str, item: Item, request: IdempotentRequest) -> Write:
    return Write(
        _memory_key(tenant_id, request),
        item={
            "body_digest": request.body_digest,
            "answer": {name: value for name, value in item.items() if name != "event"},
            "expires_at": seconds(request.expires_at),
        },
        condition="attribute_not_exists(pk) OR expires_at < :now",
        values={":now": seconds(now())},
    )


def _first_answer(
    table: Table, tenant_id: str, key: Key, request: IdempotentRequest | None
) -> Item | None:
    """The answer to the first such request; None when neither that nor the item itself is there."""
    memory = _memory_key(tenant_id, request) if request else None
    found = table.get_many([key, memory] if memory else [key])
    remembered = found.get(memory) if memory else None
    if request and remembered and remembered["expires_at"] >= seconds(now()):
        if remembered["body_digest"] != request.body_digest:
            raise IdempotencyKeyReusedError(
                "this Idempotency-Key came with another body before", remedy="Send a new key."
            )
        return dict(remembered["answer"])
    if not is_tombstone(found.get(key)):
        raise _exists(key)
    return None


def _exists(key: Key) -> AlreadyExistsError:
    kind, _, name = key.sk.partition("#")
    return AlreadyExistsError(
        f"there is already a {kind.lower()} {name}", remedy="Choose another name."
    )
