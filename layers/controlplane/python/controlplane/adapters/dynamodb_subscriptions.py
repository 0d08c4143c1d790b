"""Subscriptions: SUBSCRIPTION#tenant and SUBSCRIPTION#group#<group> in the tenant's partition.

PLATFORM / SUBSCRIBER#<tier>#<tenant> points back, so that a tier finds its tenants, and USE#<tier> counts them. All
change together with the TENANT item, which holds the limits that follow, and with the platform's directory entry.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from controlplane.adapters.dynamodb_items import (
    ABSENT,
    PRESENT,
    TOMBSTONE_LIFETIME,
    UNCHANGED,
    VERSION,
    as_item,
    put_over,
    seconds,
    tombstone,
)
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    tenant_partition,
)
from controlplane.adapters.dynamodb_tenants import directory_key, tenant_key
from controlplane.adapters.dynamodb_tiers import (
    count_use,
    read_tier,
    subscriber_key,
    tier_key,
    unchanged_tier,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.events import DomainEvent
from controlplane.identifiers import now
from controlplane.limits import Isolation, Limits
from controlplane.requests import Page, PageRequest
from controlplane.tiers.model import (
    STANDARD,
    WHOLE_TENANT,
    Rule,
    Subscription,
)
from controlplane.tiers.ports import Standing, TenantTier
from controlplane.tiers.subscriptions import tenant_under

PREFIX = "SUBSCRIPTION#"
_IN_CLUSTER = frozenset({"Active", "Suspended"})
_LEAVING = frozenset({"Offboarding", "Offboarded"})


def subscription_key(tenant_id: str, subscriber: str) -> Key:
    name = subscriber if subscriber == WHOLE_TENANT else f"group#{subscriber}"
    return Key(tenant_partition(tenant_id), f"{PREFIX}{name}")


class DynamoDBSubscriptions:
    """A SubscriptionRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list(self, tenant_id: str, page: PageRequest) -> Page[Subscription]:
        found = self._table.query(tenant_partition(tenant_id), PREFIX, page)
        return Page([Subscription.model_validate(item) for item in found.items], found.next_after)

    def find(
        self, tenant_id: str, subscriber: str, groups: Collection[str] = ()
    ) -> Mapping[str, Subscription]:
        wanted = sorted({subscriber, *groups})
        found = self._table.get_many([subscription_key(tenant_id, each) for each in wanted])
        present = [item for item in found.values() if not is_tombstone(item)]
        subscriptions = [Subscription.model_validate(item) for item in present]
        return {each.subscriber: each for each in subscriptions}

    def find_standing(self, tenant_id: str, subscriber: str, wanted: str) -> Standing:
        of_tenant, of_tier = tenant_key(tenant_id), tier_key(wanted)
        of_subscription = subscription_key(tenant_id, subscriber)
        found = self._table.get_many([of_tenant, of_subscription, of_tier])
        tier = read_tier(wanted, found.get(of_tier))
        if tier is None:
            raise NotFoundError(f"there is no tier {wanted}")
        if is_tombstone(found.get(of_tenant)):
            raise NotFoundError(f"there is no tenant {tenant_id}")
        subscription = _subscription(found.get(of_subscription))
        return Standing(_tenant(found[of_tenant]), subscription, tier)

    def find_present(self, tenant_id: str) -> Standing | None:
        of_subscription = subscription_key(tenant_id, WHOLE_TENANT)
        found = self._table.get_many([tenant_key(tenant_id), of_subscription])
        tenant = found.get(tenant_key(tenant_id))
        subscription = _subscription(found.get(of_subscription))
        if tenant is None or is_tombstone(tenant) or tenant.get("status") in _LEAVING:
            return None
        if subscription is None:
            return None
        tier = read_tier(subscription.tier, self._table.get(tier_key(subscription.tier)))
        return Standing(_tenant(tenant), subscription, tier) if tier else None

    def save(
        self,
        standing: Standing,
        changed: Subscription,
        tenant: TenantTier | None,
        event: DomainEvent,
    ) -> None:
        _transact(self._table, _changing(standing, changed, tenant, event))

    def settle(self, standing: Standing, settled: Subscription) -> None:
        key = subscription_key(standing.tenant.tenant_id, settled.subscriber)
        _transact(
            self._table,
            [
                Write(
                    key,
                    kind="update",
                    update="SET #cluster = :cluster, reason = :reason"
                    if settled.reason
                    else "SET #cluster = :cluster REMOVE reason",
                    condition=UNCHANGED,
                    names=VERSION | {"#cluster": "cluster"},
                    values={":known": settled.version, ":cluster": settled.cluster.value}
                    | _reason(settled),
                ),
                unchanged_tier(standing.tier),
            ],
        )

    def remove(self, tenant_id: str, subscription: Subscription, event: DomainEvent) -> None:
        _transact(self._table, _removing(tenant_id, subscription, event))


class DynamoDBTenantSubscriptions:
    """What becomes of subscriptions when tenants come and go; every call may be repeated."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._subscriptions = DynamoDBSubscriptions(table)

    def subscribe(self, tenant_id: str, tier: str) -> None:
        """Give a new tenant its tier, unless it has one.

        Raises NotFoundError for a tenant or tier that is gone, ConcurrentChangeError when the tier has just changed.
        """
        standing = self._subscriptions.find_standing(tenant_id, WHOLE_TENANT, tier)
        if standing.subscription is None:
            new = Subscription(subscriber=WHOLE_TENANT, tier=tier, created_at=now())
            tenant = tenant_under(standing.tenant, standing.tier, new.overrides)
            _transact(self._table, _changing(standing, new, tenant, None))

    def unsubscribe_all(self, tenant_id: str) -> bool:
        """Remove some of a tenant's subscriptions; true when none is left."""
        page = self._subscriptions.list(tenant_id, PageRequest())
        for subscription in page.items:
            _transact(self._table, _removing(tenant_id, subscription, None))
        return page.next_after is None


def _transact(table: Table, writes: Sequence[Write]) -> None:
    try:
        table.transact(writes)
    except TransactionCancelledError as cancelled:
        raise ConcurrentChangeError(
            "the subscription, the tenant or the tier has changed meanwhile",
            remedy="Read it again, and repeat the change.",
        ) from cancelled


def _changing(
    standing: Standing, changed: Subscription, tenant: TenantTier | None, event: DomainEvent | None
) -> list[Write]:
    """The subscription, what points at it, and for the whole tenant's the tenant itself."""
    known, tenant_id = standing.subscription, standing.tenant.tenant_id
    key = subscription_key(tenant_id, changed.subscriber)
    writes = [
        put_over(key, as_item(key, changed, event), known.version if known else None),
        unchanged_tier(standing.tier),
    ]
    if tenant is not None:
        writes += _tenant_writes(tenant)
    if known is None or known.tier != changed.tier:
        writes += _pointing(tenant_id, changed)
        writes += _pointing_no_more(tenant_id, known) if known else []
    return writes


def _removing(tenant_id: str, subscription: Subscription, event: DomainEvent | None) -> list[Write]:
    key = subscription_key(tenant_id, subscription.subscriber)
    gone = _gone(key, subscription.version)
    if event is not None:
        gone = tombstone(key, event, subscription.version)
    removed = Write(
        key,
        item=gone,
        condition=UNCHANGED,
        names=VERSION,
        values={":known": subscription.version},
    )
    return [removed, *_pointing_no_more(tenant_id, subscription)]


def _pointing(tenant_id: str, subscription: Subscription) -> list[Write]:
    if not subscription.is_tenant_wide:
        return [count_use(subscription.tier, "group_subscriptions", 1)]
    key = subscriber_key(subscription.tier, tenant_id)
    pointer = key.as_item() | {"tenant_id": tenant_id, "tier": subscription.tier}
    return [Write(key, item=pointer, condition=ABSENT), count_use(subscription.tier, "tenants", 1)]


def _pointing_no_more(tenant_id: str, subscription: Subscription) -> list[Write]:
    if not subscription.is_tenant_wide:
        return [count_use(subscription.tier, "group_subscriptions", -1)]
    key = subscriber_key(subscription.tier, tenant_id)
    return [
        Write(key, item=_gone(key, 1), condition=PRESENT),
        count_use(subscription.tier, "tenants", -1),
    ]


def _tenant_writes(tenant: TenantTier) -> list[Write]:
    """The TENANT item keeps its own event: the subscription's item announces this change."""
    attributes = _attributes(tenant)
    return [
        Write(
            tenant_key(tenant.tenant_id),
            kind="update",
            update="SET tier = :tier, #isolation = :isolation, limits = :limits,"
            " limits_from = :limits_from ADD #version :one",
            condition=PRESENT,
            names=VERSION | {"#isolation": "isolation"},
            values={f":{name}": value for name, value in attributes.items()} | {":one": 1},
        ),
        Write(
            directory_key(tenant.tenant_id),
            kind="update",
            update="SET tier = :tier",
            condition=PRESENT,
            values={":tier": tenant.tier},
        ),
    ]


def _attributes(tenant: TenantTier) -> Item:
    return {
        "tier": tenant.tier,
        "isolation": tenant.isolation.value,
        "limits": tenant.limits.model_dump(mode="json"),
        "limits_from": {
            name: rule.model_dump(mode="json", exclude_none=True)
            for name, rule in tenant.limits_from.items()
        },
    }


def _tenant(item: Item) -> TenantTier:
    rules: Mapping[str, Any] = item.get("limits_from", {})
    return TenantTier(
        tenant_id=item["tenant_id"],
        tier=item.get("tier", STANDARD.name),
        isolation=Isolation(item.get("isolation", Isolation.SHARED)),
        limits=Limits.model_validate(item.get("limits", {})),
        limits_from={name: Rule.model_validate(rule) for name, rule in rules.items()},
        in_cluster=item.get("status", "Active") in _IN_CLUSTER,
    )


def _subscription(item: Item | None) -> Subscription | None:
    return None if item is None or is_tombstone(item) else Subscription.model_validate(item)


def _gone(key: Key, version: int) -> Item:
    """A tombstone that announces nothing: another item of the same transaction does."""
    moment = now()
    return key.as_item() | {
        "deleted_at": moment.isoformat(),
        "expires_at": seconds(moment + TOMBSTONE_LIFETIME),
        "version": version + 1,
    }


def _reason(settled: Subscription) -> Item:
    if settled.reason is None:
        return {}
    return {":reason": settled.reason.model_dump(mode="json", exclude_none=True)}
