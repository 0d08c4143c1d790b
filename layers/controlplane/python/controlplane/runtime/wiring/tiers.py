"""What tiers works with."""

from functools import cache
from typing import TYPE_CHECKING

from controlplane.runtime.wiring import tables
from controlplane.tiers.ports import (
    PropagationRepository,
    SubscriptionRepository,
    TierCatalog,
    TierRepository,
)

if TYPE_CHECKING:
    from controlplane.adapters.dynamodb_subscriptions import DynamoDBTenantSubscriptions


@cache
def tier_repository() -> TierRepository:
    from controlplane.adapters.dynamodb_tiers import DynamoDBTiers

    return DynamoDBTiers(tables.own_table())


@cache
def recent_tiers() -> TierCatalog:
    """The tiers as they were a few seconds ago at the most."""
    from controlplane.runtime.tier_cache import CachedTiers

    return CachedTiers(tier_repository())


@cache
def own_subscriptions() -> SubscriptionRepository:
    """Subscriptions as the people of a tenant see theirs, with the tenant's own credentials."""
    from controlplane.adapters.dynamodb_subscriptions import DynamoDBSubscriptions

    return DynamoDBSubscriptions(tables.table())


@cache
def subscription_repository() -> SubscriptionRepository:
    """Subscriptions as the platform changes them: tenant and platform in one transaction."""
    from controlplane.adapters.dynamodb_subscriptions import DynamoDBSubscriptions

    return DynamoDBSubscriptions(tables.own_table())


@cache
def tenant_subscriptions() -> "DynamoDBTenantSubscriptions":
    from controlplane.adapters.dynamodb_subscriptions import DynamoDBTenantSubscriptions

    return DynamoDBTenantSubscriptions(tables.own_table())


@cache
def propagation_repository() -> PropagationRepository:
    from controlplane.adapters.dynamodb_tiers import DynamoDBPropagations

    return DynamoDBPropagations(tables.own_table())
