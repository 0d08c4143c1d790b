"""Tiers, subscriptions and how changes go: the repositories of one platform, sharing one state."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controlplane.errors import AlreadyExistsError, ClusterRefusedError, NotFoundError
from controlplane.events import DomainEvent
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.tiers.model import (
    STANDARD,
    WHOLE_TENANT,
    GroupMapped,
    GroupUnmapped,
    Propagation,
    Subscription,
    Tier,
    TierCreated,
    TierDeleted,
    TierUse,
)
from controlplane.tiers.ports import Standing, TenantTier
from tests.fakes.table import page_of, require


@dataclass
class MemoryPlatform:
    """What the repositories share."""

    tiers: dict[str, Tier] = field(default_factory=lambda: {STANDARD.name: STANDARD})
    groups: dict[str, str] = field(default_factory=dict)
    propagations: dict[str, Propagation] = field(default_factory=dict)
    tenants: dict[str, TenantTier] = field(default_factory=dict)
    subscriptions: dict[tuple[str, str], Subscription] = field(default_factory=dict)
    requests: dict[str, Tier] = field(default_factory=dict)
    events: list[DomainEvent] = field(default_factory=list)

    def add_tenant(self, tenant_id: str, tier: str = STANDARD.name) -> None:
        self.tenants[tenant_id] = TenantTier(
            tenant_id, tier, Isolation.SHARED, Limits(), {}, in_cluster=True
        )

    def use(self, tier: str) -> TierUse:
        subscribers = [who for (_, who), s in self.subscriptions.items() if s.tier == tier]
        tenants = subscribers.count(WHOLE_TENANT)
        return TierUse(
            tenants=tenants,
            group_subscriptions=len(subscribers) - tenants,
            propagation=self.propagations.get(tier),
        )


class MemoryTiers:
    """A TierRepository."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._platform = platform

    def get(self, name: str) -> Tier:
        try:
            return self._platform.tiers[name]
        except KeyError:
            raise NotFoundError(f"there is no tier {name}") from None

    def all(self) -> Sequence[Tier]:
        return sorted(self._platform.tiers.values(), key=lambda tier: tier.rank)

    def list(self, page: PageRequest) -> Page[Tier]:
        return page_of(self._platform.tiers, page)

    def add(self, tier: Tier, event: TierCreated, request: IdempotentRequest | None) -> Tier:
        if request and request.key_digest in self._platform.requests:
            return self._platform.requests[request.key_digest]
        if tier.name in self._platform.tiers:
            raise AlreadyExistsError(f"there is already a tier {tier.name}")
        self._platform.tiers[tier.name] = tier
        if request:
            self._platform.requests[request.key_digest] = tier
        self._platform.events.append(event)
        return tier

    def find_with_use(self, name: str) -> tuple[Tier, TierUse]:
        return self.get(name), self._platform.use(name)

    def find_with_group(self, name: str, group: str) -> tuple[Tier, str | None]:
        return self.get(name), self._platform.groups.get(group)

    def save(
        self, known: Tier, changed: Tier, event: DomainEvent, *, unless_subscribed: bool = False
    ) -> None:
        require(self._platform.tiers.get(known.name) == known)
        require(not (unless_subscribed and self._platform.use(known.name).tenants))
        self._platform.tiers[known.name] = changed
        self._platform.events.append(event)

    def map_group(self, known: Tier, changed: Tier, event: GroupMapped) -> None:
        require(event.group not in self._platform.groups)
        self.save(known, changed, event)
        self._platform.groups[event.group] = known.name

    def unmap_group(self, known: Tier, changed: Tier, event: GroupUnmapped) -> None:
        require(self._platform.groups.get(event.group) == known.name)
        self.save(known, changed, event)
        del self._platform.groups[event.group]

    def remove(self, tier: Tier, event: TierDeleted) -> None:
        use = self._platform.use(tier.name)
        require(self._platform.tiers.get(tier.name) == tier)
        require(not use.tenants and not use.group_subscriptions)
        del self._platform.tiers[tier.name]
        self._platform.propagations.pop(tier.name, None)
        self._platform.events.append(event)


class MemoryPropagations:
    """A PropagationRepository."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._platform = platform

    def find(self, name: str) -> tuple[Tier | None, TierUse]:
        return self._platform.tiers.get(name), self._platform.use(name)

    def tenants(self, tier: str, page: PageRequest) -> Page[str]:
        subscribed = {
            tenant_id: subscription
            for (tenant_id, who), subscription in self._platform.subscriptions.items()
            if who == WHOLE_TENANT and subscription.tier == tier
        }
        found = page_of(subscribed, page)
        names = {id(subscription): tenant_id for tenant_id, subscription in subscribed.items()}
        return Page([names[id(subscription)] for subscription in found.items], found.next_after)

    def save(
        self,
        tier: str,
        known: Propagation | None,
        changed: Propagation,
        event: DomainEvent | None = None,
    ) -> None:
        require(self._platform.propagations.get(tier) == known)
        self._platform.propagations[tier] = changed
        if event:
            self._platform.events.append(event)


class MemorySubscriptions:
    """A SubscriptionRepository."""

    def __init__(self, platform: MemoryPlatform) -> None:
        self._platform = platform

    def list(self, tenant_id: str, page: PageRequest) -> Page[Subscription]:
        own = {w: s for (t, w), s in self._platform.subscriptions.items() if t == tenant_id}
        return page_of(own, page)

    def find(
        self, tenant_id: str, subscriber: str, groups: Collection[str] = ()
    ) -> Mapping[str, Subscription]:
        known = self._platform.subscriptions
        wanted = {subscriber, *groups}
        return {who: known[tenant_id, who] for who in wanted if (tenant_id, who) in known}

    def find_standing(self, tenant_id: str, subscriber: str, wanted: str) -> Standing:
        if wanted not in self._platform.tiers or tenant_id not in self._platform.tenants:
            raise NotFoundError("there is no such tier or tenant")
        return Standing(
            self._platform.tenants[tenant_id],
            self._platform.subscriptions.get((tenant_id, subscriber)),
            self._platform.tiers[wanted],
        )

    def find_present(self, tenant_id: str) -> Standing | None:
        subscription = self._platform.subscriptions.get((tenant_id, WHOLE_TENANT))
        if subscription is None or tenant_id not in self._platform.tenants:
            return None
        return self.find_standing(tenant_id, WHOLE_TENANT, subscription.tier)

    def save(
        self,
        standing: Standing,
        changed: Subscription,
        tenant: TenantTier | None,
        event: DomainEvent,
    ) -> None:
        self._require_unchanged(standing, changed.subscriber)
        tenant_id = standing.tenant.tenant_id
        self._platform.subscriptions[tenant_id, changed.subscriber] = changed
        if tenant:
            self._platform.tenants[tenant_id] = replace(tenant)
        self._platform.events.append(event)

    def settle(self, standing: Standing, settled: Subscription) -> None:
        self._require_unchanged(standing, settled.subscriber)
        self._platform.subscriptions[standing.tenant.tenant_id, settled.subscriber] = settled

    def remove(self, tenant_id: str, subscription: Subscription, event: DomainEvent) -> None:
        key = (tenant_id, subscription.subscriber)
        require(self._platform.subscriptions.get(key) == subscription)
        del self._platform.subscriptions[key]
        self._platform.events.append(event)

    def _require_unchanged(self, standing: Standing, subscriber: str) -> None:
        key = (standing.tenant.tenant_id, subscriber)
        require(self._platform.subscriptions.get(key) == standing.subscription)
        require(self._platform.tiers.get(standing.tier.name) == standing.tier)


@dataclass
class MemoryTenantCluster:
    """A TenantCluster: the plan it holds of each tenant. It refuses the tenants in `refused`."""

    plans: dict[str, TenantPlan] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def apply_limits(self, plan: TenantPlan) -> None:
        if plan.tenant_id in self.refused:
            raise ClusterRefusedError("the cluster refused")
        self.plans[plan.tenant_id] = plan
