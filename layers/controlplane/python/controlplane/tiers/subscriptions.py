"""Who has a right to which tier, and the limits that follow."""

from collections.abc import Collection, Mapping

from controlplane.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.identifiers import now
from controlplane.tiers.effective import EffectiveLimit, effective_limits, limits_of
from controlplane.tiers.model import (
    STANDARD,
    WHOLE_TENANT,
    ClusterState,
    LimitChanges,
    Subscription,
    SubscriptionChanged,
    SubscriptionDeleted,
    SubscriptionRequest,
    Tier,
)
from controlplane.tiers.ports import SubscriptionRepository, TenantTier, TierCatalog


def put_subscription(
    tenant_id: str,
    subscriber: str,
    wanted: SubscriptionRequest,
    if_match: int | None,
    *,
    subscriptions: SubscriptionRepository,
) -> Subscription:
    """Give the tenant, or one of its groups, a tier. Putting what is there already applies it again.

    A tenant's tier of another isolation moves its pods. Raises NotFoundError for an unknown tier,
    PreconditionFailedError, InvalidRequestError for overrides of a group, ConcurrentChangeError.
    """
    standing = subscriptions.find_standing(tenant_id, subscriber, wanted.tier)
    known, tier = standing.subscription, standing.tier
    _require_match(subscriber, known, if_match)
    tenant_wide = subscriber == WHOLE_TENANT
    _require_possible(wanted, tenant_wide=tenant_wide)
    changed = Subscription(
        subscriber=subscriber,
        tier=tier.name,
        overrides=wanted.overrides,
        created_at=known.created_at if known else now(),
        cluster=ClusterState.PENDING if tenant_wide else ClusterState.APPLIED,
        version=known.version + 1 if known else 1,
    )
    event = SubscriptionChanged(
        tenant_id=tenant_id,
        subscriber=subscriber,
        tier=tier.name,
        previous_tier=known.tier if known else None,
        overrides=tuple(wanted.overrides.given()),
        needs_execution=tenant_wide,
    )
    tenant = tenant_under(standing.tenant, tier, wanted.overrides) if tenant_wide else None
    subscriptions.save(standing, changed, tenant, event)
    return changed


def delete_subscription(
    tenant_id: str,
    subscriber: str,
    if_match: int | None,
    *,
    subscriptions: SubscriptionRepository,
) -> None:
    """Raises NotFoundError, PreconditionFailedError, ConflictError for the tenant's own."""
    if subscriber == WHOLE_TENANT:
        raise ConflictError(
            "a tenant always has a tier", remedy="Change the subscription, or offboard the tenant."
        )
    known = subscriptions.find(tenant_id, subscriber).get(subscriber)
    if known is None:
        raise NotFoundError(f"there is no subscription of group {subscriber}")
    _require_match(subscriber, known, if_match)
    event = SubscriptionDeleted(tenant_id=tenant_id, subscriber=subscriber, tier=known.tier)
    subscriptions.remove(tenant_id, known, event)


def get_limits(
    tenant_id: str,
    groups: Collection[str],
    *,
    subscriptions: SubscriptionRepository,
    tiers: TierCatalog,
) -> Mapping[str, EffectiveLimit]:
    """The limits of a caller who is in these groups, each with the rule that gives it."""
    catalog = {tier.name: tier for tier in tiers.all()}
    found = subscriptions.find(tenant_id, WHOLE_TENANT, groups)
    own = found.get(WHOLE_TENANT)
    return effective_limits(
        catalog.get(STANDARD.name, STANDARD),
        catalog.get(own.tier) if own else None,
        own.overrides if own else None,
        {name: catalog[each.tier] for name, each in found.items() if each.tier in catalog},
        {group: tier for tier in catalog.values() for group in tier.groups},
        groups,
    )


def tenant_under(tenant: TenantTier, tier: Tier, overrides: LimitChanges) -> TenantTier:
    """The tenant as its item is to be with its own subscription to that tier."""
    effective = effective_limits(STANDARD, tier, overrides)
    return TenantTier(
        tenant_id=tenant.tenant_id,
        tier=tier.name,
        isolation=tier.isolation,
        limits=limits_of(effective),
        limits_from={name: found.rule for name, found in effective.items()},
        in_cluster=tenant.in_cluster,
    )


def _require_possible(wanted: SubscriptionRequest, *, tenant_wide: bool) -> None:
    if not tenant_wide and wanted.overrides.given():
        raise InvalidRequestError(
            "single limits are overridden for the tenant, not for a group",
            remedy="Put the overrides into the subscription `tenant`.",
        )


def _require_match(subscriber: str, known: Subscription | None, if_match: int | None) -> None:
    present = known.version if known else None
    if if_match is not None and if_match != present:
        raise PreconditionFailedError(
            f"subscription {subscriber} has changed"
            + (f": it is at version {present}" if present else ": it is not there")
        )
