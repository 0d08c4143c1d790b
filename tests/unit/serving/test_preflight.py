"""What ends a rollout before it changes anything, and what it goes by from then on."""

import pytest

from controlplane import identifiers
from controlplane.errors import RolloutFailedError
from controlplane.reasons import Reason
from controlplane.serving.arrivals import RegisteredVersion
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.model import ServingState
from controlplane.serving.opening import Action
from controlplane.serving.preflight import transition_of
from controlplane.serving.rollout import RolloutReference, read_owned
from controlplane.serving.settings import Autoscaling, Probe
from controlplane.serving.strategy import (
    AllAtOnce,
    BlueGreen,
    Canary,
    Linear,
    OnInconclusive,
    RolloutPolicy,
    Shadow,
    Strategy,
)
from tests.fakes import Clock
from tests.unit.serving.world import PLACE, World

CANARY = RolloutPolicy(strategy=Canary(), final_bake_seconds=60)
PENDING = Reason(code="NotApproved", message="nobody approved it", remedy="Approve it.")
NO_GATEWAY = Reason(code="NoGateway", message="there is none", remedy="Install one.")


@pytest.fixture
def second(world: World) -> RolloutReference:
    """Version 1 serves, version 2 is to come as a canary."""
    world.roll_out(1)
    world.set(CANARY)
    return world.start(world.register(2))


def refusal(world: World, reference: RolloutReference) -> RolloutFailedError:
    with pytest.raises(RolloutFailedError) as refused:
        world.check(reference)
    assert refused.value.remedy
    assert world.rollout(reference.rollout_id).plan is None
    return refused.value


def test_what_it_goes_by_is_frozen(world: World, second: RolloutReference) -> None:
    world.check(second)
    world.set(RolloutPolicy())

    plan = world.rollout(second.rollout_id).plan
    assert plan is not None
    assert (plan.policy, plan.mechanism) == (CANARY, Mechanism.ROUTE)
    assert plan.stable is not None
    assert (plan.stable.version.number, plan.canary.version.number) == (1, 2)
    assert (plan.canary.version.files, plan.canary.version.pins) == ({}, {})
    assert (plan.stable.version.files, plan.stable.version.pins) == ({}, {})


def test_a_policy_of_its_own_goes_before_the_deployments(
    world: World, clock: Clock, second: RolloutReference
) -> None:
    world.fail(second)
    clock.advance(1)
    world.request(2, policy=RolloutPolicy(strategy=AllAtOnce(), max_seconds=77))
    _, reference = world.open()
    world.check(reference)

    plan = world.rollout(reference.rollout_id).plan
    assert plan is not None
    assert plan.policy.max_seconds == 77
    active = world.deployment.active
    assert active is not None
    assert (active.deadline - active.started_at).total_seconds() == 77


@pytest.mark.parametrize("first", [True, False])
def test_without_another_revision_to_compare_with_it_is_all_at_once(
    world: World, clock: Clock, first: bool
) -> None:
    if first:
        reference = world.start(world.register(1))
        world.set(CANARY)
    else:
        world.roll_out(1)
        world.set(CANARY)
        clock.advance(1)
        world.request(1)
        _, reference = world.open()
    world.check(reference)

    plan = world.rollout(reference.rollout_id).plan
    assert plan is not None
    assert (plan.stable, plan.policy.steps, plan.policy.final_bake_seconds) == (None, (), 0)


def test_a_version_that_the_policy_does_not_let_serve_is_refused_with_all_that_is_missing(
    world: World, second: RolloutReference
) -> None:
    world.versions.obstacles[2] = [PENDING, Reason(code="GateNotMet", message="0.8 < 0.9")]

    refused = refusal(world, second)

    assert (refused.reason, refused.remedy) == ("NotApproved", "Approve it.")
    assert "GateNotMet" in refused.message


def test_a_cluster_that_cannot_split_traffic_refuses_a_canary_with_its_remedy(
    world: World, second: RolloutReference
) -> None:
    world.cluster.mechanisms = ()
    world.cluster.refusals = {Mechanism.ROUTE: NO_GATEWAY}

    refused = refusal(world, second)

    assert (refused.reason, refused.remedy) == ("NoGateway", "Install one.")


def test_a_cluster_that_cannot_split_traffic_may_take_all_at_once(world: World) -> None:
    world.cluster.mechanisms = ()
    world.check(world.start(world.register(1)))


def test_the_mechanism_of_the_revision_before_is_kept(
    world: World, second: RolloutReference
) -> None:
    world.cluster.mechanisms = (Mechanism.KNATIVE, Mechanism.ROUTE)
    world.check(second)

    plan = world.rollout(second.rollout_id).plan
    assert plan is not None
    assert plan.mechanism is Mechanism.ROUTE


def test_what_the_cluster_has_no_room_for_is_refused(
    world: World, second: RolloutReference
) -> None:
    quota = Reason(code="QuotaExceeded", message="4 of 4 pods", remedy="Ask for a higher tier.")
    world.cluster.obstacles = [quota]

    assert refusal(world, second).reason == "QuotaExceeded"


def test_a_strategy_judged_on_probes_needs_one(world: World, second: RolloutReference) -> None:
    """The policy of one rollout alone is not compared with the deployment's settings before."""
    probed = RolloutPolicy(strategy=BlueGreen(judged_on="Probes"))
    world.set(RolloutPolicy())
    give(world, probed)

    assert refusal(world, second).reason == "ProbeMissing"

    world.set(RolloutPolicy(), probe=Probe(path="/v1/models/digits:predict", body="{}"))
    world.check(second)


@pytest.mark.parametrize("strategy", [Canary(), Linear(), BlueGreen(), Shadow()])
def test_what_is_judged_needs_a_source_of_figures(
    world: World, second: RolloutReference, strategy: Strategy
) -> None:
    world.has_metrics = False
    world.set(RolloutPolicy(strategy=strategy))

    assert refusal(world, second).reason == "NoMetricSource"

    world.has_metrics = True
    world.check(second)


@pytest.mark.parametrize(
    "policy", [RolloutPolicy(), CANARY.model_copy(update={"on_inconclusive": OnInconclusive.ASK})]
)
def test_what_waits_for_no_verdict_needs_no_figures(
    world: World, second: RolloutReference, policy: RolloutPolicy
) -> None:
    world.has_metrics = False
    world.set(policy)
    world.check(second)


@pytest.mark.parametrize("strategy", [BlueGreen(), Shadow()])
def test_what_is_judged_on_copies_needs_a_gateway_that_counts_them(
    world: World, second: RolloutReference, strategy: Strategy
) -> None:
    world.counts_copies = False
    world.set(RolloutPolicy(strategy=strategy))

    refused = refusal(world, second)

    assert refused.reason == "CopiesNotCounted"
    assert "Probes" in str(refused.remedy)
    world.set(RolloutPolicy(strategy=strategy, on_inconclusive=OnInconclusive.ASK))
    world.check(second)


@pytest.mark.parametrize("strategy", [Canary(), Linear(), BlueGreen(judged_on="Probes")])
def test_live_requests_and_probes_are_judged_without_copies(
    world: World, second: RolloutReference, strategy: Strategy
) -> None:
    world.counts_copies = False
    world.set(RolloutPolicy(strategy=strategy), probe=Probe(path="/v1/models/d:predict", body="{}"))

    world.check(second)


def test_nothing_holds_up_the_way_back_to_a_revision_that_is_warm(
    world: World, clock: Clock
) -> None:
    world.roll_out(1)
    kept = world.deployment.settings
    world.roll_out(2)
    world.set(CANARY, autoscaling=Autoscaling(min_replicas=9, max_replicas=9))
    clock.advance(1)
    world.roll_back()
    _, reference = world.open()
    world.cluster.obstacles = [Reason(code="QuotaExceeded", message="no room", remedy="Ask.")]
    world.cluster.mechanisms, world.has_metrics = (), False

    world.check(reference)

    plan = world.rollout(reference.rollout_id).plan
    assert plan is not None
    assert (plan.mechanism, plan.canary.settings) == (Mechanism.ROUTE, kept)
    owned = read_owned(reference, world.deployments)
    assert transition_of(owned, plan).warm


def test_the_way_back_to_a_revision_that_has_gone_is_checked_as_any_other(
    world: World, clock: Clock
) -> None:
    """It was rolled out once; it has to be brought up again, and may not be what it was."""
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(1)
    world.roll_back()
    found = world.deployment
    world.table.deployments[PLACE] = found.with_changes(retiring=())
    _, reference = world.open()
    world.versions.obstacles[1] = [PENDING]

    assert refusal(world, reference).reason == "NotApproved"


def test_a_version_that_is_kept_but_asked_for_anew_is_checked_as_any_other(
    world: World, clock: Clock
) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(1)
    world.request(1)
    _, reference = world.open()
    world.cluster.obstacles = [Reason(code="QuotaExceeded", message="no room", remedy="Ask.")]

    assert refusal(world, reference).reason == "QuotaExceeded"


def give(world: World, policy: RolloutPolicy) -> None:
    """The policy of the rollout that runs, as if it had been asked for with it."""
    found = world.deployment
    assert found.active is not None
    active = found.active.model_copy(update={"policy": policy})
    world.table.deployments[PLACE] = found.with_changes(active=active)


def test_a_deployment_that_is_stopped_is_not_rolled_out_to(
    world: World, second: RolloutReference
) -> None:
    found = world.table.deployments[PLACE]
    world.table.deployments[PLACE] = found.with_changes(serving=ServingState.STOPPED)

    assert refusal(world, second).reason == "DeploymentStopped"


def approved(number: int, event: str = "event-1") -> RegisteredVersion:
    moment = identifiers.now()
    position = f"{moment:%Y-%m-%dT%H:%M:%SZ}!{moment.microsecond:06d}"
    return RegisteredVersion("digits", number, position, moment, occasion=event)


def test_an_approval_brings_back_the_rollout_that_had_failed_for_want_of_it(
    world: World, clock: Clock, second: RolloutReference
) -> None:
    world.fail(second, "NotApproved")
    clock.advance(1)

    opened, reference = world.open(approved(2))
    again, _ = world.open(approved(2), reference.execution)

    assert opened.action is Action.ROLL_OUT
    assert again == opened
    assert reference.rollout_id != second.rollout_id
    assert world.rollout(reference.rollout_id).requested_by == "approval"


def test_an_approval_of_what_did_not_wait_for_it_rolls_nothing_out(
    world: World, clock: Clock, second: RolloutReference
) -> None:
    world.fail(second, "ModelLoadFailed")
    clock.advance(1)

    assert [world.open(approved(number))[0].action for number in (1, 2)] == [Action.NOTHING] * 2
