"""How entities become items: their JSON form, the version that guards them, the event that caused the change."""

import json
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel

from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
)
from controlplane.errors import (
    AlreadyExistsError,
    IdempotencyKeyReusedError,
    RequestInFlightError,
)
from controlplane.events import DomainEvent
from controlplane.identifiers import now
from controlplane.requests import IdempotentRequest

TOMBSTONE_LIFETIME = timedelta(days=7)
ABSENT = "attribute_not_exists(pk) OR attribute_exists(deleted_at)"
PRESENT = "attribute_exists(pk) AND attribute_not_exists(deleted_at)"
UNCHANGED = "#version = :known AND attribute_not_exists(deleted_at)"
VERSION = {"#version": "version"}


def as_item(key: Key, entity: BaseModel, event: DomainEvent | None = None, **more: Any) -> Item:
    """The item of an entity; what is None is left out."""
    item = key.as_item() | entity.model_dump(mode="json", exclude_none=True) | more
    if event is not None:
        item["event"] = event_attribute(event)
    return item


def event_attribute(event: DomainEvent) -> Item:
    """The event as the stream's consumer finds it in the item's image."""
    envelope = event.envelope()
    return envelope | {"detail": json.dumps(envelope["detail"], separators=(",", ":"))}


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


def put_over(key: Key, item: Item, known_version: int | None) -> Write:
    """Put an item over the version that was read before; None for one that was not there."""
    if known_version is None:
        return Write(key, item=item, condition=ABSENT)
    return Write(
        key, item=item, condition=UNCHANGED, names=VERSION, values={":known": known_version}
    )


def create(table: Table, tenant_key: str, item: Item, request: IdempotentRequest | None) -> Item:
    """Put a new item, once per idempotent request: a repeat returns the item as it was made first.

    `tenant_key` is the partition in which the request is remembered. Raises AlreadyExistsError,
    IdempotencyKeyReusedError, RequestInFlightError.
    """
    key = Key(item["pk"], item["sk"])
    if request is None:
        try:
            table.put(Write(key, item=item, condition=ABSENT))
        except ConditionFailedError as exists:
            raise _exists(key) from exists
        return item
    memory = Key(tenant_key, f"IDEMPOTENCY#{request.key_digest}")
    remembered = {
        "body_digest": request.body_digest,
        "answer": {name: value for name, value in item.items() if name != "event"},
        "expires_at": seconds(request.expires_at),
    }
    present = {":now": seconds(now())}
    fresh = "attribute_not_exists(pk) OR expires_at < :now"
    try:
        table.transact(
            [
                Write(key, item=item, condition=ABSENT),
                Write(memory, item=remembered, condition=fresh, values=present),
            ]
        )
    except TransactionCancelledError as cancelled:
        return _first_answer(table, key, memory, request, cancelled)
    return item


def _first_answer(
    table: Table,
    key: Key,
    memory: Key,
    request: IdempotentRequest,
    cancelled: TransactionCancelledError,
) -> Item:
    found = table.get_many([memory, key])
    remembered = found.get(memory)
    if remembered and remembered["expires_at"] >= seconds(now()):
        if remembered["body_digest"] != request.body_digest:
            raise IdempotencyKeyReusedError(
                "this Idempotency-Key came with another body before", remedy="Send a new key."
            ) from cancelled
        return dict(remembered["answer"])
    if not is_tombstone(found.get(key)):
        raise _exists(key) from cancelled
    raise RequestInFlightError(
        "the first request with this Idempotency-Key has not finished", remedy="Repeat it later."
    ) from cancelled


def _exists(key: Key) -> AlreadyExistsError:
    kind, _, name = key.sk.partition("#")
    return AlreadyExistsError(
        f"there is already a {kind.lower()} {name}", remedy="Choose another name."
    )
