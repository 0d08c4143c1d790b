"""A function dies at every moment of on- and offboarding: the tenant ends active, or nothing of it is left."""

from collections.abc import Callable, Iterator

import pytest

from controlplane.onboarding.model import (
    StepState,
    TenantOffboarded,
    TenantOnboarded,
    TenantOnboardingFailed,
    TenantStatus,
)
from controlplane.onboarding.plan import MAKING
from tests.fakes.onboarding import Crashes
from tests.unit.onboarding.world import World

TIERS = ("standard", "dedicated")
OTHERS = {"people/globex/1", "namespaces/globex/1"}  # what stays untouched throughout


def onboard(world: World, tier: str) -> None:
    world.ask_for(tier)
    world.deliver()


def asking(tier: str = "standard") -> Callable[[World], None]:
    def ask(world: World) -> None:
        world.ask_for(tier)

    return ask


def moments(prepare: Callable[[World], None], work: Callable[[World], None]) -> list[str]:
    """Every moment that the work passes when nothing goes wrong."""
    world = World()
    prepare(world)
    begun = len(world.crashes.moments)
    work(world)
    return world.crashes.moments[begun:]


def crashing(
    work: Callable[[World], None], *, aborting: bool, prepare: Callable[[World], None]
) -> Iterator[World]:
    """A world for each moment of the work, in which a function has died there."""
    for number in range(1, len(moments(prepare, work)) + 1):
        world = World(objects=set(OTHERS), aborting=aborting)
        prepare(world)
        world.crashes.at = len(world.crashes.moments) + number
        work(world)
        yield world


def is_whole(world: World, tier: str) -> bool:
    made = {name for name, _ in MAKING} - {"storage-access"}
    made -= set() if tier == "dedicated" else {"nodes"}
    expected = {f"{name}/acme/{number}" for name in made for number in (1, 2)}
    return world.objects == OTHERS | expected


def assert_active(world: World, tier: str) -> None:
    assert world.tenant.status is TenantStatus.ACTIVE
    assert is_whole(world, tier)


def is_gone(world: World) -> bool:
    return world.objects == OTHERS


@pytest.mark.parametrize("tier", TIERS)
def test_onboarding_goes_on_after_any_crash(tier: str) -> None:
    worlds = 0
    for world in crashing(World.deliver, aborting=False, prepare=asking(tier)):
        assert world.tenant.status is TenantStatus.ACTIVE
        assert is_whole(world, tier)
        assert [type(e) for e in world.tenants.events].count(TenantOnboarded) == 1
        worlds += 1
    assert worlds > 50


@pytest.mark.parametrize("tier", TIERS)
def test_onboarding_that_is_aborted_anywhere_is_whole_or_gone_and_can_be_repeated(
    tier: str,
) -> None:
    ends = {TenantStatus.ACTIVE: 0, TenantStatus.ONBOARDING_FAILED: 0}
    for world in crashing(World.deliver, aborting=True, prepare=asking(tier)):
        ended = world.tenant
        ends[ended.status] += 1
        if ended.status is TenantStatus.ONBOARDING_FAILED:
            assert is_gone(world)
            assert ended.administrator is None
            assert isinstance(world.tenants.events[-1], TenantOnboardingFailed)
            onboard(world, tier)
        assert_active(world, tier)
    assert ends[TenantStatus.ONBOARDING_FAILED] > 50
    assert ends[TenantStatus.ACTIVE] >= 1  # the last record was written, only its answer was lost


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("aborting", [False, True])
def test_taking_back_goes_on_after_any_crash(tier: str, aborting: bool) -> None:
    """The last step fails for good; on the way back a function dies as well."""

    def prepare(world: World) -> None:
        world.crashes.forever = "apply people"
        world.ask_for(tier)

    for world in crashing(World.deliver, aborting=aborting, prepare=prepare):
        assert world.tenant.status is TenantStatus.ONBOARDING_FAILED
        assert is_gone(world)
        world.crashes.forever = None
        world.aborting = False
        onboard(world, tier)
        assert_active(world, tier)


@pytest.mark.parametrize("name", [name for name, _ in MAKING if name != "nodes"])
def test_each_step_that_fails_for_good_is_taken_back_with_all_before_it(name: str) -> None:
    world = World(crashes=Crashes(forever=f"apply {name}"), objects=set(OTHERS))
    onboard(world, "standard")
    tenant = world.tenant
    assert tenant.status is TenantStatus.ONBOARDING_FAILED
    assert is_gone(world)
    assert tenant.onboarding
    assert tenant.onboarding.reason
    assert f"apply {name}" in tenant.onboarding.reason.message
    removed = [s.name for s in tenant.onboarding.steps if s.state is StepState.REMOVED]
    assert name in removed


@pytest.mark.parametrize("aborting", [False, True])
@pytest.mark.parametrize("tier", TIERS)
def test_offboarding_goes_on_after_any_crash(aborting: bool, tier: str) -> None:
    def prepare(world: World) -> None:
        onboard(world, tier)
        world.objects |= {f"{name}/acme/1" for name in ("objects", "records", "deployments")}
        world.ask_to_leave()

    worlds = 0
    for world in crashing(World.deliver, aborting=aborting, prepare=prepare):
        assert world.tenant.status is TenantStatus.OFFBOARDED
        assert is_gone(world)
        assert [type(e) for e in world.tenants.events].count(TenantOffboarded) == 1
        worlds += 1
    assert worlds > 80


def test_what_a_dead_execution_still_does_in_the_pause_is_taken_back() -> None:
    """The function goes on after its execution was stopped, and its effect comes late."""
    world = World(objects=set(OTHERS), aborting=True)
    world.ask_for()
    applied = next(
        number
        for number, moment in enumerate(moments(asking(), World.deliver), 1)
        if moment == "before apply quotas"
    )
    world.crashes.at = len(world.crashes.moments) + applied
    world.late = lambda: world.objects.update({"quotas/acme/1", "quotas/acme/2"})
    world.deliver()
    assert world.tenant.status is TenantStatus.ONBOARDING_FAILED
    assert is_gone(world)


def test_crash_is_injected_before_and_after_every_effect_and_record() -> None:
    passed = moments(asking(), World.deliver)
    for name, _ in MAKING:
        if name == "nodes":
            continue
        assert f"before apply {name}" in passed
        assert f"after apply {name}" in passed or name == "storage-access"
    assert passed.count("before a record") == passed.count("after a record") >= 20
