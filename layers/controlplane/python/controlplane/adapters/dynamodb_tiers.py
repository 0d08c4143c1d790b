"""Tiers, the groups that map to them, and how their changes go; all in the platform's partition.

TIER#<tier> holds what administrators change. USE#<tier> holds what changes by itself, so that it never gets in
their way: the numbers of subscriptions, written with each of them, and the progress of the last propagation.
GROUP#<group> names the one tier that a group maps to. The built-in tier has no item until it is changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.adapters.dynamodb_items import (
    ABSENT,
    UNCHANGED,
    VERSION,
    as_item,
    create,
    event_attribute,
    put_over,
    tombstone,
)
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.events import DomainEvent
from controlplane.identifiers import PLATFORM
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.tiers.model import (
    STANDARD,
    GroupMapped,
    GroupUnmapped,
    Propagation,
    Tier,
    TierCreated,
    TierDeleted,
    TierUse,
)

PARTITION = "PLATFORM"
UNSUBSCRIBED = "(attribute_not_exists(tenants) OR tenants = :none)"
UNUSED = (
    f"{UNSUBSCRIBED} AND (attribute_not_exists(group_subscriptions) OR group_subscriptions = :none)"
)
NONE = {":none": 0}


def tier_key(name: str) -> Key:
    return Key(PARTITION, f"TIER#{name}")


def use_key(name: str) -> Key:
    return Key(PARTITION, f"USE#{name}")


def group_key(group: str) -> Key:
    return Key(PARTITION, f"GROUP#{group}")


def subscribers_prefix(tier: str) -> str:
    return f"SUBSCRIBER#{tier}#"


def subscriber_key(tier: str, tenant_id: str) -> Key:
    return Key(PARTITION, f"{subscribers_prefix(tier)}{tenant_id}")


def read_tier(name: str, item: Item | None) -> Tier | None:
    """The tier that is stored under a name; the built-in one is there without an item."""
    if item is not None and not is_tombstone(item):
        return Tier.model_validate(item)
    return STANDARD if name == STANDARD.name else None


def unchanged_tier(tier: Tier) -> Write:
    """A part of a transaction: the tier is still the one that was read."""
    if tier.version == STANDARD.version:
        return Write(tier_key(tier.name), kind="check", condition=ABSENT)
    return Write(
        tier_key(tier.name),
        kind="check",
        condition=UNCHANGED,
        names=VERSION,
        values={":known": tier.version},
    )


def count_use(tier: str, counter: str, by: int) -> Write:
    """A part of a transaction: so many `tenants` or `group_subscriptions` more."""
    return Write(use_key(tier), kind="update", update=f"ADD {counter} :by", values={":by": by})


class DynamoDBTiers:
    """A TierRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def all(self) -> Sequence[Tier]:
        tiers: list[Tier] = []
        page = Page[Tier]([], "")
        while page.next_after is not None:
            page = self.list(PageRequest(after=page.next_after or None))
            tiers += page.items
        return sorted(tiers, key=lambda tier: tier.rank)

    def list(self, page: PageRequest) -> Page[Tier]:
        found = self._table.query(PARTITION, "TIER#", page)
        tiers = [Tier.model_validate(item) for item in found.items]
        if not _covers_standard(page, found.next_after) or STANDARD.name in {t.name for t in tiers}:
            return Page(tiers, found.next_after)
        tiers = sorted([*tiers, STANDARD], key=lambda tier: tier.name)
        if len(tiers) <= page.limit:
            return Page(tiers, found.next_after)
        kept = tiers[: page.limit]
        return Page(kept, tier_key(kept[-1].name).sk)

    def add(self, tier: Tier, event: TierCreated, request: IdempotentRequest | None) -> Tier:
        item = as_item(tier_key(tier.name), tier, event)
        return Tier.model_validate(create(self._table, PLATFORM, item, request))

    def find_with_use(self, name: str) -> tuple[Tier, TierUse]:
        found = self._table.get_many([tier_key(name), use_key(name)])
        return _present(name, found.get(tier_key(name))), _use(found.get(use_key(name)))

    def find_with_group(self, name: str, group: str) -> tuple[Tier, str | None]:
        found = self._table.get_many([tier_key(name), group_key(group)])
        mapping = found.get(group_key(group))
        mapped = None if mapping is None or is_tombstone(mapping) else str(mapping["tier"])
        return _present(name, found.get(tier_key(name))), mapped

    def save(
        self, known: Tier, changed: Tier, event: DomainEvent, *, unless_subscribed: bool = False
    ) -> None:
        writes = [_over(known, changed, event)]
        if unless_subscribed:
            writes.append(
                Write(use_key(known.name), kind="check", condition=UNSUBSCRIBED, values=NONE)
            )
        self._transact(known.name, writes)

    def map_group(self, known: Tier, changed: Tier, event: GroupMapped) -> None:
        key = group_key(event.group)
        mapping = key.as_item() | {"group": event.group, "tier": known.name, "version": 1}
        self._transact(known.name, [_over(known, changed, event), put_over(key, mapping, None)])

    def unmap_group(self, known: Tier, changed: Tier, event: GroupUnmapped) -> None:
        key = group_key(event.group)
        gone = tombstone(key, event, 1)
        del gone["event"]  # the tier's item carries it
        unmapped = Write(
            key,
            item=gone,
            condition="tier = :tier AND attribute_not_exists(deleted_at)",
            values={":tier": known.name},
        )
        self._transact(known.name, [_over(known, changed, event), unmapped])

    def remove(self, tier: Tier, event: TierDeleted) -> None:
        key = tier_key(tier.name)
        gone = Write(
            key,
            item=tombstone(key, event, tier.version),
            condition=UNCHANGED,
            names=VERSION,
            values={":known": tier.version},
        )
        unused = Write(
            use_key(tier.name),
            kind="update",
            update="REMOVE propagation",
            condition=UNUSED,
            values=NONE,
        )
        self._transact(tier.name, [gone, unused])

    def _transact(self, name: str, writes: Sequence[Write]) -> None:
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            raise ConcurrentChangeError(
                f"tier {name}, or who subscribes to it, has changed meanwhile",
                remedy="Read it again, and repeat the change.",
            ) from cancelled


class DynamoDBPropagations:
    """A PropagationRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, name: str) -> tuple[Tier | None, TierUse]:
        found = self._table.get_many([tier_key(name), use_key(name)])
        return read_tier(name, found.get(tier_key(name))), _use(found.get(use_key(name)))

    def tenants(self, tier: str, page: PageRequest) -> Page[str]:
        found = self._table.query(PARTITION, subscribers_prefix(tier), page)
        return Page([str(item["tenant_id"]) for item in found.items], found.next_after)

    def save(
        self,
        tier: str,
        known: Propagation | None,
        changed: Propagation,
        event: DomainEvent | None = None,
    ) -> None:
        values: dict[str, Any] = {
            ":changed": changed.model_dump(mode="json", exclude_none=True),
            **_progress_values(known),
        }
        update = "SET propagation = :changed"
        if event is not None:
            update += ", #event = :event"
            values[":event"] = event_attribute(event)
        write = Write(
            use_key(tier),
            kind="update",
            update=update,
            condition=_SAME_PROGRESS if known else "attribute_not_exists(propagation)",
            names=(_PROGRESS_NAMES if known else {}) | ({"#event": "event"} if event else {}),
            values=values,
        )
        try:
            self._table.transact([write])
        except TransactionCancelledError as cancelled:
            raise ConcurrentChangeError(
                f"the propagation of tier {tier} has moved meanwhile"
            ) from cancelled


_SAME_PROGRESS = (
    "propagation.generation = :generation AND propagation.#state = :state"
    " AND propagation.execution = :execution AND propagation.page = :page"
)
_PROGRESS_NAMES = {"#state": "state"}


def _progress_values(known: Propagation | None) -> Mapping[str, Any]:
    if known is None:
        return {}
    return {
        ":generation": known.generation,
        ":state": known.state.value,
        ":execution": known.execution,
        ":page": known.page,
    }


def _present(name: str, item: Item | None) -> Tier:
    tier = read_tier(name, item)
    if tier is None:
        raise NotFoundError(f"there is no tier {name}")
    return tier


def _use(item: Item | None) -> TierUse:
    return TierUse.model_validate(item or {})


def _over(known: Tier, changed: Tier, event: DomainEvent) -> Write:
    is_stored = known.version != STANDARD.version
    item = as_item(tier_key(changed.name), changed, event)
    return put_over(tier_key(changed.name), item, known.version if is_stored else None)


def _covers_standard(page: PageRequest, next_after: str | None) -> bool:
    """Whether the built-in tier's place in the list is on this page."""
    place = tier_key(STANDARD.name).sk
    return (page.after is None or page.after < place) and (next_after is None or place < next_after)
