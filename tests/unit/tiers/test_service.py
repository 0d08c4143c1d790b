"""What may become of tiers, groups and subscriptions."""

import pytest

from controlplane.errors import (
    AlreadyExistsError,
    ConcurrentChangeError,
    ConflictError,
    InUseError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.limits import Isolation
from controlplane.tiers import service
from controlplane.tiers.model import (
    STANDARD,
    GroupMapped,
    LimitChanges,
    SubscriptionChanged,
    SubscriptionDeleted,
    SubscriptionRequest,
    Tier,
    TierChange,
    TierChanged,
    TierCreated,
    TierDeleted,
    TierRequest,
)
from controlplane.tiers.service import (
    change_tier,
    create_tier,
    delete_tier,
    map_group,
    tiers_of_groups,
    unmap_group,
)
from controlplane.tiers.subscriptions import delete_subscription, get_limits, put_subscription
from tests.fakes.tiers import MemoryPlatform, MemorySubscriptions, MemoryTiers


@pytest.fixture
def platform() -> MemoryPlatform:
    made = MemoryPlatform()
    made.add_tenant("acme")
    return made


@pytest.fixture
def tiers(platform: MemoryPlatform) -> MemoryTiers:
    return MemoryTiers(platform)


@pytest.fixture
def subscriptions(platform: MemoryPlatform) -> MemorySubscriptions:
    return MemorySubscriptions(platform)


def create(tiers: MemoryTiers, name: str = "premium", level: int = 20) -> Tier:
    return create_tier(TierRequest(name=name, level=level), "root", None, tiers=tiers)


def subscribe(
    subscriptions: MemorySubscriptions, subscriber: str = "tenant", tier: str = "premium"
) -> None:
    wanted = SubscriptionRequest(tier=tier)
    put_subscription("acme", subscriber, wanted, None, subscriptions=subscriptions)


def test_a_change_touches_what_it_names_and_nothing_else(
    platform: MemoryPlatform, tiers: MemoryTiers
) -> None:
    before = create(tiers)

    after, _ = change_tier(
        "premium", TierChange(limits=LimitChanges(gpus=9), level=30), 1, tiers=tiers
    )

    assert after.limits == before.limits.model_copy(update={"gpus": 9})
    assert (after.level, after.version, after.generation) == (30, 2, 1)
    created, changed = platform.events
    assert isinstance(created, TierCreated)
    assert isinstance(changed, TierChanged)
    assert (changed.tenant_id, changed.changed) == ("platform", ("level", "limits.gpus"))


def test_what_tenants_need_not_be_told_of_starts_nothing(
    platform: MemoryPlatform, tiers: MemoryTiers
) -> None:
    create(tiers)
    change_tier("premium", TierChange(level=1, description="x"), None, tiers=tiers)
    change_tier("premium", TierChange(isolation=Isolation.DEDICATED), None, tiers=tiers)
    change_tier("premium", TierChange(level=1), None, tiers=tiers)

    changes = [event for event in platform.events if isinstance(event, TierChanged)]

    assert [event.needs_execution for event in changes] == [False, False]
    assert tiers.get("premium").generation == 0


def test_the_built_in_tier_is_neither_made_nor_removed(tiers: MemoryTiers) -> None:
    with pytest.raises(AlreadyExistsError):
        create(tiers, STANDARD.name)
    with pytest.raises(InUseError):
        delete_tier(STANDARD.name, "root", None, tiers=tiers)


def test_a_tier_goes_when_nobody_has_it(
    platform: MemoryPlatform, tiers: MemoryTiers, subscriptions: MemorySubscriptions
) -> None:
    create(tiers)
    subscribe(subscriptions)
    with pytest.raises(InUseError, match="1 tenants"):
        delete_tier("premium", "root", None, tiers=tiers)
    with pytest.raises(InUseError, match="1 tenants"):
        change_tier("premium", TierChange(isolation=Isolation.DEDICATED), None, tiers=tiers)
    subscribe(subscriptions, tier="standard")
    with pytest.raises(PreconditionFailedError):
        delete_tier("premium", "root", 9, tiers=tiers)

    delete_tier("premium", "root", 1, tiers=tiers)

    assert isinstance(platform.events[-1], TierDeleted)
    with pytest.raises(NotFoundError):
        tiers.get("premium")


def test_somebody_who_subscribes_in_between_keeps_the_tier(
    tiers: MemoryTiers, subscriptions: MemorySubscriptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tiers)
    remove = tiers.remove

    def late(tier: Tier, event: TierDeleted) -> None:
        subscribe(subscriptions)
        remove(tier, event)

    monkeypatch.setattr(tiers, "remove", late)
    with pytest.raises(ConcurrentChangeError):
        delete_tier("premium", "root", None, tiers=tiers)
    assert tiers.get("premium")


def test_a_group_maps_to_one_tier_until_it_is_unmapped(
    platform: MemoryPlatform, tiers: MemoryTiers
) -> None:
    create(tiers)
    map_group("premium", "gold", None, tiers=tiers)
    assert map_group("premium", "gold", 2, tiers=tiers).version == 2
    assert [type(event) for event in platform.events[1:]] == [GroupMapped]
    with pytest.raises(ConflictError, match="premium"):
        map_group("standard", "gold", None, tiers=tiers)
    with pytest.raises(ConflictError):
        map_group("premium", "tenant", None, tiers=tiers)
    with pytest.raises(NotFoundError):
        unmap_group("standard", "gold", None, tiers=tiers)

    unmap_group("premium", "gold", None, tiers=tiers)

    assert map_group("standard", "gold", None, tiers=tiers).groups == ("gold",)


def test_groups_of_a_tier_are_not_without_number(
    tiers: MemoryTiers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_GROUPS", 1)
    map_group("standard", "one", None, tiers=tiers)

    with pytest.raises(LimitExceededError):
        map_group("standard", "two", None, tiers=tiers)


def test_tiers_are_found_by_their_groups(tiers: MemoryTiers) -> None:
    create(tiers, "low", 1)
    create(tiers, "high", 90)
    for name in ("low", "high"):
        map_group(name, f"{name}-people", None, tiers=tiers)

    found = tiers_of_groups(["low-people", "high-people", "x"], tiers=tiers)

    assert [tier.name for tier in found] == ["high", "low"]


def test_a_group_of_a_tenant_has_a_tier_and_no_overrides(
    platform: MemoryPlatform, tiers: MemoryTiers, subscriptions: MemorySubscriptions
) -> None:
    create(tiers)
    subscribe(subscriptions, "gold")
    assert platform.tenants["acme"].tier == "standard"
    [_, changed] = platform.events
    assert isinstance(changed, SubscriptionChanged)
    assert changed.needs_execution is False
    wanted = SubscriptionRequest(tier="premium", overrides=LimitChanges(gpus=1))
    with pytest.raises(InvalidRequestError):
        put_subscription("acme", "gold", wanted, None, subscriptions=subscriptions)

    delete_subscription("acme", "gold", 1, subscriptions=subscriptions)

    assert isinstance(platform.events[-1], SubscriptionDeleted)
    with pytest.raises(NotFoundError):
        delete_subscription("acme", "gold", None, subscriptions=subscriptions)


def test_limits_follow_from_what_the_tenant_and_the_platform_say(
    tiers: MemoryTiers, subscriptions: MemorySubscriptions
) -> None:
    create(tiers, "high", 90)
    create(tiers)
    wanted = SubscriptionRequest(tier="premium", overrides=LimitChanges(gpus=1))
    put_subscription("acme", "tenant", wanted, None, subscriptions=subscriptions)
    map_group("high", "gold", None, tiers=tiers)

    found = get_limits("acme", ["gold"], subscriptions=subscriptions, tiers=tiers)

    assert found["gpus"].value == 1
    assert found["requests"].rule.tier == "high"
    assert found["projects"].rule.tier == "premium"
