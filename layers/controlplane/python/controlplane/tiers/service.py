"""What platform administrators do with tiers, and the groups that map to them."""

from collections.abc import Collection, Sequence

from controlplane.errors import (
    AlreadyExistsError,
    ConflictError,
    InUseError,
    LimitExceededError,
    NotFoundError,
)
from controlplane.identifiers import PLATFORM, now
from controlplane.limits import Limits
from controlplane.requests import IdempotentRequest, require_version
from controlplane.tiers.model import (
    MAX_GROUPS,
    STANDARD,
    WHOLE_TENANT,
    GroupMapped,
    GroupUnmapped,
    Tier,
    TierChange,
    TierChanged,
    TierCreated,
    TierDeleted,
    TierPropagationRequested,
    TierRequest,
    TierUse,
    limits_that_differ,
)
from controlplane.tiers.ports import TierCatalog, TierRepository


def create_tier(
    wanted: TierRequest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    tiers: TierRepository,
) -> Tier:
    """Raises AlreadyExistsError, also for the built-in tier, and what the repository's `add` raises."""
    if wanted.name == STANDARD.name:
        raise AlreadyExistsError(
            f"there is already a tier {wanted.name}", remedy="Change it, or choose another name."
        )
    tier = Tier(
        name=wanted.name,
        level=wanted.level,
        isolation=wanted.isolation,
        limits=Limits.model_validate(wanted.limits.model_dump()),
        description=wanted.description,
        created_at=now(),
    )
    event = TierCreated(tenant_id=PLATFORM, tier=tier.name, created_by=created_by)
    return tiers.add(tier, event, request)


def change_tier(
    name: str, change: TierChange, if_match: int | None, *, tiers: TierRepository
) -> tuple[Tier, TierUse]:
    """The changed tier. Its tenants get changed limits by and by; nothing that they have is taken away.

    Raises NotFoundError, PreconditionFailedError, InUseError for another isolation of a tier that tenants have.
    """
    tier, use = tiers.find_with_use(name)
    require_version(if_match, tier.version, f"tier {tier.name}")
    wanted = {
        "level": change.level,
        "isolation": change.isolation,
        "limits": change.limits.over(tier.limits),
        "description": change.description,
    }
    update = {
        field: value
        for field, value in wanted.items()
        if value is not None and value != getattr(tier, field)
    }
    if not update:
        return tier, use
    moves = "isolation" in update
    if moves and use.tenants:
        raise InUseError(
            f"{use.tenants} tenants run in the isolation of tier {name}, and would all move at once",
            remedy="Create a tier with the other isolation, and give it to the tenants one by one.",
        )
    needs_execution = "limits" in update
    generation = tier.generation + 1 if needs_execution else tier.generation
    update |= {"generation": generation, "version": tier.version + 1}
    changed = tier.model_copy(update=update)
    event = TierChanged(
        tenant_id=PLATFORM,
        tier=name,
        generation=generation,
        changed=_what_changed(tier, changed),
        needs_execution=needs_execution,
    )
    tiers.save(tier, changed, event, unless_subscribed=moves)
    return changed, use


def delete_tier(name: str, deleted_by: str, if_match: int | None, *, tiers: TierRepository) -> None:
    """Raises NotFoundError, PreconditionFailedError, and InUseError while anybody has or gets it."""
    tier, use = tiers.find_with_use(name)
    require_version(if_match, tier.version, f"tier {tier.name}")
    if name == STANDARD.name:
        raise InUseError(
            f"tier {name} is what tenants get who ask for no other", remedy="Change its limits."
        )
    users = [
        f"{count} {what}"
        for count, what in (
            (use.tenants, "tenants"),
            (use.group_subscriptions, "groups of tenants"),
            (len(tier.groups), "mapped groups"),
        )
        if count
    ]
    if users:
        raise InUseError(
            f"tier {name} is used by {', '.join(users)}",
            remedy="Give them another tier, or unmap the groups, first.",
        )
    tiers.remove(tier, TierDeleted(tenant_id=PLATFORM, tier=name, deleted_by=deleted_by))


def retry_propagation(name: str, *, tiers: TierRepository) -> tuple[Tier, TierUse]:
    """Have the tier's limits applied to all its tenants again, instead of what is under way.

    Raises NotFoundError, ConcurrentChangeError.
    """
    tier, use = tiers.find_with_use(name)
    generation = tier.generation + 1
    changed = tier.model_copy(update={"generation": generation, "version": tier.version + 1})
    event = TierPropagationRequested(tenant_id=PLATFORM, tier=name, generation=generation)
    tiers.save(tier, changed, event)
    return changed, use


def map_group(name: str, group: str, if_match: int | None, *, tiers: TierRepository) -> Tier:
    """People in the group have a right to the tier, in every tenant. Mapping it again is harmless.

    Raises NotFoundError, PreconditionFailedError, ConflictError for a group that maps to another tier.
    """
    if group == WHOLE_TENANT:
        raise ConflictError(
            f"no group may be called {group}", remedy="Choose another name for the group."
        )
    tier, present = tiers.find_with_group(name, group)
    require_version(if_match, tier.version, f"tier {tier.name}")
    if present == name:
        return tier
    if present is not None:
        raise ConflictError(f"group {group} maps to tier {present}", remedy="Unmap it there first.")
    if len(tier.groups) >= MAX_GROUPS:
        raise LimitExceededError(
            f"tier {name} has {len(tier.groups)} groups, and may have {MAX_GROUPS}",
            remedy="Unmap groups that are no more.",
        )
    changed = _with_groups(tier, {*tier.groups, group})
    tiers.map_group(tier, changed, GroupMapped(tenant_id=PLATFORM, tier=name, group=group))
    return changed


def unmap_group(name: str, group: str, if_match: int | None, *, tiers: TierRepository) -> None:
    """Raises NotFoundError for a tier or mapping that is not there, PreconditionFailedError."""
    tier, present = tiers.find_with_group(name, group)
    require_version(if_match, tier.version, f"tier {tier.name}")
    if present != name:
        raise NotFoundError(f"group {group} does not map to tier {name}")
    changed = _with_groups(tier, set(tier.groups) - {group})
    tiers.unmap_group(tier, changed, GroupUnmapped(tenant_id=PLATFORM, tier=name, group=group))


def tiers_of_groups(groups: Collection[str], *, tiers: TierCatalog) -> Sequence[Tier]:
    """The tiers that any of the groups maps to, the highest level first."""
    wanted = set(groups)
    return [tier for tier in tiers.all() if wanted.intersection(tier.groups)]


def _with_groups(tier: Tier, groups: set[str]) -> Tier:
    return tier.model_copy(update={"groups": tuple(sorted(groups)), "version": tier.version + 1})


def _what_changed(before: Tier, after: Tier) -> tuple[str, ...]:
    fields = [
        field
        for field in ("level", "isolation", "description")
        if getattr(before, field) != getattr(after, field)
    ]
    limits = limits_that_differ(before.limits, after.limits)
    return (*fields, *(f"limits.{name}" for name in limits))
