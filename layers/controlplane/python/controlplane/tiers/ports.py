"""What tiers need from the outside world."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from controlplane.events import DomainEvent
from controlplane.limits import Isolation, Limits, TenantPlan
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.tiers.model import (
    GroupMapped,
    GroupUnmapped,
    Propagation,
    Rule,
    Subscription,
    Tier,
    TierCreated,
    TierDeleted,
    TierUse,
)


class TierCatalog(Protocol):
    def all(self) -> Sequence[Tier]:
        """Every tier, the highest level first. There are few: a platform has tiers, not thousands."""
        ...


class TierRepository(TierCatalog, Protocol):
    def add(self, tier: Tier, event: TierCreated, request: IdempotentRequest | None) -> Tier:
        """Store a new tier. A repeat returns the first answer.

        Raises AlreadyExistsError, IdempotencyKeyReusedError, RequestInFlightError.
        """
        ...

    def list(self, page: PageRequest) -> Page[Tier]:
        """Tiers by name."""
        ...

    def find_with_use(self, name: str) -> tuple[Tier, TierUse]:
        """Tier and use in one read. Raises NotFoundError."""
        ...

    def find_with_group(self, name: str, group: str) -> tuple[Tier, str | None]:
        """The tier, and the tier that the group maps to, in one read. Raises NotFoundError."""
        ...

    def save(
        self, known: Tier, changed: Tier, event: DomainEvent, *, unless_subscribed: bool = False
    ) -> None:
        """Store a changed tier over the state that was read before.

        Raises ConcurrentChangeError when it has changed meanwhile; with `unless_subscribed` also when somebody has
        subscribed to it.
        """
        ...

    def map_group(self, known: Tier, changed: Tier, event: GroupMapped) -> None:
        """Store the tier together with the group's mapping, if the group maps to no tier.

        Raises ConcurrentChangeError.
        """
        ...

    def unmap_group(self, known: Tier, changed: Tier, event: GroupUnmapped) -> None:
        """Raises ConcurrentChangeError."""
        ...

    def remove(self, tier: Tier, event: TierDeleted) -> None:
        """Remove the tier if it is unchanged and nobody subscribes to it. Raises ConcurrentChangeError."""
        ...


class PropagationRepository(Protocol):
    def find(self, name: str) -> tuple[Tier | None, TierUse]:
        """A tier, None when it is gone, and its use, in one read."""
        ...

    def tenants(self, tier: str, page: PageRequest) -> Page[str]:
        """The tenants whose own subscription is to the tier, in an order that does not change."""
        ...

    def save(
        self,
        tier: str,
        known: Propagation | None,
        changed: Propagation,
        event: DomainEvent | None = None,
    ) -> None:
        """Store progress over what was read before. Raises ConcurrentChangeError."""
        ...


@dataclass(frozen=True)
class TenantTier:
    """What a tenant's item says of tier and limits. `in_cluster` is false before the cluster knows the tenant."""

    tenant_id: str
    tier: str
    isolation: Isolation
    limits: Limits
    limits_from: Mapping[str, Rule]
    in_cluster: bool


@dataclass(frozen=True)
class Standing:
    """A tenant and one of its subscriptions, with the tier that is wanted or subscribed to."""

    tenant: TenantTier
    subscription: Subscription | None
    tier: Tier


class SubscriptionRepository(Protocol):
    def list(self, tenant_id: str, page: PageRequest) -> Page[Subscription]:
        """The tenant's subscriptions by subscriber: groups by name, and the tenant itself as `tenant`."""
        ...

    def find(
        self, tenant_id: str, subscriber: str, groups: Collection[str] = ()
    ) -> Mapping[str, Subscription]:
        """By subscriber, those of one subscriber and of groups that exist, in one read."""
        ...

    def find_standing(self, tenant_id: str, subscriber: str, wanted: str) -> Standing:
        """Tenant, subscription and the wanted tier in one read. Raises NotFoundError for tenant or tier."""
        ...

    def find_present(self, tenant_id: str) -> Standing | None:
        """The tenant with its own subscription and that one's tier; None when tenant or subscription are gone."""
        ...

    def save(
        self,
        standing: Standing,
        changed: Subscription,
        tenant: TenantTier | None,
        event: DomainEvent,
    ) -> None:
        """Store a subscription over the state that was read before, and what changes with it, in one transaction.

        `tenant` is the tenant as it is to be from now on; None for a group's subscription, which leaves it as it is.
        Raises ConcurrentChangeError when subscription or tier have changed meanwhile.
        """
        ...

    def settle(self, standing: Standing, settled: Subscription) -> None:
        """Record how the cluster stands, without a new version of the subscription.

        Raises ConcurrentChangeError when subscription or tier are others than those that were applied.
        """
        ...

    def remove(self, tenant_id: str, subscription: Subscription, event: DomainEvent) -> None:
        """Remove a group's subscription. Raises ConcurrentChangeError when it has changed meanwhile."""
        ...


class TenantCluster(Protocol):
    def apply_limits(self, plan: TenantPlan) -> None:
        """Bring the objects that limit a tenant up to date. Raises ClusterUnavailableError, ClusterRefusedError."""
        ...
