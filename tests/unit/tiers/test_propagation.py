"""How a change reaches tenants, whatever order executions, repeats and deaths come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.errors import ClusterRefusedError, ConcurrentChangeError
from controlplane.limits import TenantPlan
from controlplane.reasons import Reason
from controlplane.tiers import propagation
from controlplane.tiers.model import (
    ClusterState,
    LimitChanges,
    Propagation,
    PropagationState,
    SubscriptionRequest,
    TierChange,
    TierPropagationEnded,
    TierRequest,
)
from controlplane.tiers.propagation import (
    Outcome,
    Result,
    apply_limits,
    open_propagation,
    record_ended_execution,
    record_failure,
    record_page,
    shown_propagation,
)
from controlplane.tiers.service import change_tier, create_tier, delete_tier, retry_propagation
from controlplane.tiers.subscriptions import put_subscription
from tests.fakes.tiers import (
    MemoryPlatform,
    MemoryPropagations,
    MemorySubscriptions,
    MemoryTenantCluster,
    MemoryTiers,
)


class World:
    """A tier `premium` with tenants t0, t1, …; pages of two."""

    def __init__(self, tenants: int = 5) -> None:
        self.platform = MemoryPlatform()
        self.tiers = MemoryTiers(self.platform)
        self.propagations = MemoryPropagations(self.platform)
        self.subscriptions = MemorySubscriptions(self.platform)
        self.cluster = MemoryTenantCluster()
        create_tier(TierRequest(name="premium", level=20), "root", None, tiers=self.tiers)
        for number in range(tenants):
            self.platform.add_tenant(f"t{number}")
            self.subscribe(f"t{number}", "premium")

    def subscribe(self, tenant_id: str, tier: str) -> None:
        wanted = SubscriptionRequest(tier=tier)
        put_subscription(tenant_id, "tenant", wanted, None, subscriptions=self.subscriptions)

    def change(self, pods: int) -> int:
        change = TierChange(limits=LimitChanges(pods=pods))
        return change_tier("premium", change, None, tiers=self.tiers)[0].generation

    def apply(self, tenant_id: str) -> Result:
        return apply_limits(tenant_id, subscriptions=self.subscriptions, cluster=self.cluster)

    def attempt(self, tenant_id: str) -> Result:
        """As the state machine does it: what fails is caught."""
        try:
            return self.apply(tenant_id)
        except ClusterRefusedError as refused:
            reason = Reason(code=refused.code, message=str(refused))
            return Result(tenant_id, Outcome.FAILED, reason)

    def run(self, generation: int, execution: str = "e") -> None:
        """A whole execution, which takes three pages at the most."""
        share = open_propagation("premium", generation, execution, propagations=self.propagations)
        for shares in range(1, 4):
            if not share.go_on:
                return
            results = [self.attempt(tenant_id) for tenant_id in share.tenants]
            share = record_page(
                "premium",
                generation,
                execution,
                share.page,
                share.after,
                results,
                is_last_share=shares == 3,
                propagations=self.propagations,
            )

    @property
    def progress(self) -> Propagation:
        return self.platform.propagations["premium"]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(propagation, "PAGE_SIZE", 2)


@pytest.mark.parametrize("tenants", [0, 1, 2, 3, 5, 6])
def test_every_tenant_gets_the_new_limits_and_is_counted_once(tenants: int) -> None:
    world = World(tenants)

    world.run(world.change(7))

    assert world.progress.state is PropagationState.SUCCEEDED
    assert (world.progress.done, world.progress.failed, world.progress.total) == (
        tenants,
        0,
        tenants,
    )
    assert {plan.limits.pods for plan in world.cluster.plans.values()} <= {7}
    assert len(world.cluster.plans) == tenants


def test_a_failed_tenant_stops_no_other_and_can_be_retried() -> None:
    world = World()
    world.cluster.refused = {"t1", "t3"}

    world.run(world.change(7))

    assert world.progress.state is PropagationState.FAILED
    assert (world.progress.done, world.progress.failed) == (3, 2)
    assert [failure.tenant for failure in world.progress.failures] == ["t1", "t3"]
    world.cluster.refused.clear()
    tier, use = retry_propagation("premium", tiers=world.tiers)
    shown = shown_propagation(tier.generation, use)
    assert shown is not None
    assert shown.state is PropagationState.PENDING
    world.run(tier.generation)
    assert (world.progress.done, world.progress.failed, world.progress.failures) == (5, 0, ())


def test_more_pages_than_an_execution_takes_are_another_ones() -> None:
    world = World(9)
    generation = world.change(7)

    world.run(generation, "first")
    assert (world.progress.state, world.progress.done) == (PropagationState.PENDING, 6)
    world.run(generation, "second")

    assert (world.progress.state, world.progress.done) == (PropagationState.SUCCEEDED, 9)


def test_tenants_that_come_and_go_meanwhile_do_not_confuse_the_count() -> None:
    world = World(4)
    generation = world.change(7)
    share = open_propagation("premium", generation, "e", propagations=world.propagations)
    world.subscribe("t3", "standard")
    world.platform.add_tenant("t9")
    world.subscribe("t9", "premium")
    while share.go_on:
        share = record_page(
            "premium",
            generation,
            "e",
            share.page,
            share.after,
            [world.attempt(tenant_id) for tenant_id in share.tenants],
            is_last_share=False,
            propagations=world.propagations,
        )

    assert (world.progress.done, world.progress.total) == (4, 4)
    assert set(world.cluster.plans) == {"t0", "t1", "t2", "t9"}


def test_an_execution_stops_at_its_next_step_when_the_tier_has_changed_again() -> None:
    world = World()
    first = world.change(7)
    share = open_propagation("premium", first, "first", propagations=world.propagations)
    world.change(8)
    before = world.progress

    following = record_page(
        "premium",
        first,
        "first",
        share.page,
        share.after,
        [world.attempt(tenant_id) for tenant_id in share.tenants],
        is_last_share=False,
        propagations=world.propagations,
    )

    assert not following.go_on
    assert world.progress == before


def test_an_execution_that_comes_after_the_next_change_does_not_begin() -> None:
    world = World()
    first = world.change(7)
    world.change(8)

    share = open_propagation("premium", first, "late", propagations=world.propagations)

    assert not share.go_on
    assert world.platform.propagations == {}


def test_a_tier_that_went_meanwhile_ends_its_propagation() -> None:
    world = World(0)
    generation = world.change(7)
    delete_tier("premium", "root", None, tiers=world.tiers)

    assert not open_propagation("premium", generation, "e", propagations=world.propagations).go_on


def test_an_execution_that_died_long_ago_says_nothing_about_the_present() -> None:
    world = World()
    old = world.change(7)
    world.run(old, "old")
    before = world.progress
    record_ended_execution("premium", old, "old", "FAILED", propagations=world.propagations)
    assert world.progress == before

    new = world.change(8)
    record_ended_execution("premium", old, "old", "FAILED", propagations=world.propagations)
    assert world.progress == before
    record_ended_execution("premium", new, "dead", "ABORTED", propagations=world.propagations)
    assert world.progress.state is PropagationState.FAILED
    assert world.progress.generation == new
    ended = [e for e in world.platform.events if isinstance(e, TierPropagationEnded)]
    assert [event.generation for event in ended] == [old, new]


class _ChangesMeanwhile(MemoryTenantCluster):
    """While the cluster takes one plan, the tier changes."""

    world: World

    def apply_limits(self, plan: TenantPlan) -> None:
        super().apply_limits(plan)
        if plan.limits.pods == 7:
            self.world.change(8)


def test_limits_that_were_overtaken_are_not_recorded_as_applied() -> None:
    world = World(1)
    meanwhile = _ChangesMeanwhile()
    meanwhile.world, world.cluster = world, meanwhile
    world.change(7)

    with pytest.raises(ConcurrentChangeError):
        world.apply("t0")
    world.apply("t0")

    assert world.cluster.plans["t0"].limits.pods == 8
    stored = world.platform.subscriptions["t0", "tenant"]
    assert stored.cluster is ClusterState.APPLIED


def test_a_failure_is_recorded_until_the_limits_are_applied() -> None:
    world = World(1)
    reason = Reason(code="ClusterRefusedError", message="no")

    record_failure("t0", reason, subscriptions=world.subscriptions)
    record_failure("nobody", reason, subscriptions=world.subscriptions)
    failed = world.platform.subscriptions["t0", "tenant"]
    world.apply("t0")
    applied = world.platform.subscriptions["t0", "tenant"]

    assert (failed.cluster, failed.reason) == (ClusterState.FAILED, reason)
    assert (applied.cluster, applied.reason) == (ClusterState.APPLIED, None)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("change"), st.integers(1, 9)),
            st.tuples(st.just("move"), st.integers(0, 4)),
            st.tuples(st.just("apply"), st.integers(0, 4)),
            st.tuples(st.just("run"), st.integers(0, 9)),
            st.tuples(st.just("die"), st.integers(0, 9)),
        ),
        max_size=15,
    )
)
def test_whatever_happens_the_last_propagation_brings_everybody_up_to_date(
    steps: list[tuple[str, int]],
) -> None:
    world = World()
    for number, (what, which) in enumerate(steps):
        generation = world.tiers.get("premium").generation
        match what:
            case "change":
                world.change(which)
            case "move":
                present = world.platform.subscriptions[f"t{which}", "tenant"].tier
                world.subscribe(f"t{which}", "standard" if present == "premium" else "premium")
            case "apply":
                world.apply(f"t{which}")
            case "run":
                world.run(max(generation - which // 5, 0), f"e{number}")
            case "die":
                record_ended_execution(
                    "premium", generation, f"e{which}", "FAILED", propagations=world.propagations
                )
    tier, _ = retry_propagation("premium", tiers=world.tiers)
    world.run(tier.generation, "last")

    subscribed = [
        tenant_id
        for (tenant_id, _), subscription in world.platform.subscriptions.items()
        if subscription.tier == "premium"
    ]
    assert world.progress.done == world.progress.total == len(subscribed)
    for tenant_id in subscribed:
        assert world.platform.tenants[tenant_id].limits == tier.limits
        assert world.cluster.plans[tenant_id].limits == tier.limits
