"""How the two revisions are during a rollout, and what of it is the canary's fault."""

import pytest

from controlplane.serving.analysis import AnalysisPolicy, ErrorRateCheck, Verdict
from controlplane.serving.decision import Next
from controlplane.serving.model import RolloutState
from controlplane.serving.ports import RevisionObservation, RevisionState
from controlplane.serving.settings import Autoscaling
from controlplane.serving.states import Command, Phase
from controlplane.serving.strategy import AllAtOnce, OnInconclusive, RolloutPolicy
from tests.fakes.cluster import PROGRESSING
from tests.unit.serving.test_canary import DEAD, POLICY, Begin, Road, begin
from tests.unit.serving.world import TENANT, revision

__all__ = ["begin"]

PARTLY = RevisionObservation(
    RevisionState.PROGRESSING, "Progressing", "its Deployment is not rolled out yet", serves=True
)
STOPPED = RevisionObservation(RevisionState.PROGRESSING, "Stopped", "it is stopped and has no pods")
SCALE = Autoscaling(min_replicas=2, max_replicas=6)


def with_replicas(road: Road, number: int, replicas: int) -> None:
    road.world.cluster.replicas[TENANT, revision(number)] = replicas


def policy(**changes: object) -> RolloutPolicy:
    return POLICY.model_copy(update=changes)


# The stable revision


@pytest.mark.parametrize("state", [PARTLY, PROGRESSING, STOPPED])
def test_a_bad_canary_is_rolled_back_however_the_stable_revision_is(
    begin: Begin, state: RevisionObservation
) -> None:
    road = begin()
    road.until(10)
    road.errors = 10
    road.world.cluster.outcomes[1] = state

    assert road.end() is RolloutState.ROLLED_BACK
    assert road.code == "ErrorRateHigher"
    assert len(road.world.ticks(road.reference.rollout_id)) < 10


def test_a_guard_that_is_broken_counts_beside_a_stable_revision_in_trouble(begin: Begin) -> None:
    guarded = AnalysisPolicy(error_rate=ErrorRateCheck(max_increase=1, max_share=0.05))
    road = begin(policy(analysis=guarded))
    road.until(10)
    road.errors = 10
    road.world.cluster.outcomes[1] = PROGRESSING

    assert road.end() is RolloutState.ROLLED_BACK


@pytest.mark.parametrize("patience", OnInconclusive)
def test_a_stable_revision_that_grows_holds_nothing_up(
    begin: Begin, patience: OnInconclusive
) -> None:
    road = begin(policy(on_inconclusive=patience))
    road.until(10)
    road.world.cluster.outcomes[1] = PARTLY

    assert road.end() is RolloutState.PROMOTED


# The canary


def test_a_canary_that_grows_is_promoted_when_it_has_grown(begin: Begin) -> None:
    road = begin(autoscaling=SCALE)
    road.until(10)
    road.world.cluster.outcomes[2] = PARTLY
    for _ in range(20):
        assert road.tick() == Next.TICK
        assert road.share == 10  # a step is begun at full size only
    with_replicas(road, 2, 3)
    del road.world.cluster.outcomes[2]

    assert road.end() is RolloutState.PROMOTED


def test_a_canary_that_grows_with_all_the_traffic_ends_its_last_bake(begin: Begin) -> None:
    """More than the quota allows may never come."""
    road = begin(autoscaling=SCALE)
    road.until(100)
    road.world.cluster.outcomes[2] = PARTLY

    assert road.end() is RolloutState.PROMOTED


@pytest.mark.parametrize(
    ("left", "state"), [(2, RolloutState.PROMOTED), (1, RolloutState.ROLLED_BACK)]
)
def test_a_canary_may_lose_replicas_down_to_its_minimum(
    begin: Begin, left: int, state: RolloutState
) -> None:
    road = begin(autoscaling=SCALE)
    with_replicas(road, 2, 6)
    road.until(10)
    with_replicas(road, 2, left)
    road.world.cluster.outcomes[2] = PARTLY
    for _ in range(2):
        if road.world.deployment.active:
            road.tick()
    road.world.cluster.outcomes.pop(2)
    if state is RolloutState.PROMOTED:
        assert road.end() is state
    assert road.world.last.state is state
    assert road.code == ("" if state is RolloutState.PROMOTED else "RevisionUnhealthy")


def test_what_it_was_ready_with_is_enough_if_its_minimum_comes_later(begin: Begin) -> None:
    """KServe makes a Deployment of one replica, and leaves the rest to the autoscaler."""
    road = begin(autoscaling=SCALE)
    with_replicas(road, 2, 1)
    road.until(10)
    road.world.cluster.outcomes[2] = PARTLY
    for _ in range(4):
        assert road.tick() == Next.TICK


def test_a_canary_without_an_endpoint_is_rolled_back_however_many_replicas_it_has(
    begin: Begin,
) -> None:
    road = begin(autoscaling=SCALE)
    road.until(10)
    road.world.cluster.outcomes[2] = PROGRESSING
    with_replicas(road, 2, 6)

    assert road.end() is RolloutState.ROLLED_BACK
    assert road.code == "RevisionUnhealthy"


def test_a_canary_that_only_grows_into_it_gets_no_traffic(begin: Begin) -> None:
    road = begin()
    road.world.cluster.outcomes[2] = PARTLY
    for _ in range(5):
        assert road.tick() == Next.TICK
    assert road.share == 0


def test_who_promotes_by_hand_need_not_wait_for_the_last_replica(begin: Begin) -> None:
    """A full quota may have no room for it."""
    road = begin(autoscaling=SCALE)
    road.until(10)
    road.world.cluster.outcomes[2] = PARTLY
    road.tell(Command.PROMOTE)

    assert road.tick() == Next.TICK
    assert (road.share, road.phase) == (100, Phase.BAKING)


# Both


def test_a_tenant_that_is_suspended_and_resumed_goes_on(begin: Begin) -> None:
    road = begin()
    road.until(10)
    for state in (STOPPED, PROGRESSING):
        road.world.cluster.outcomes.update({1: state, 2: state})
        for _ in range(10):
            assert road.tick(per_second=0) == Next.TICK
        assert road.share == 10
    road.world.cluster.outcomes.clear()

    assert road.end() is RolloutState.PROMOTED


def test_a_canary_that_stays_away_when_the_stable_revision_is_back_is_rolled_back(
    begin: Begin,
) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.outcomes.update({1: PROGRESSING, 2: PROGRESSING})
    for _ in range(4):
        assert road.tick(per_second=0) == Next.TICK
    del road.world.cluster.outcomes[1]

    assert road.tick(per_second=0) == Next.END
    assert road.code == "RevisionUnhealthy"


def test_a_dead_canary_is_rolled_back_even_to_a_stable_revision_in_trouble(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.outcomes.update({1: PROGRESSING, 2: DEAD})

    assert road.tick() == Next.END


def test_a_canary_that_somebody_stopped_is_called_so(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.outcomes[2] = STOPPED

    assert road.end() is RolloutState.ROLLED_BACK
    reason = road.world.last.reason
    assert reason
    assert reason.code == "RevisionStopped"
    assert "Resume" in (reason.remedy or "")


@pytest.mark.parametrize(
    ("states", "word"), [({1: STOPPED, 2: STOPPED}, "Resume"), ({2: PARTLY}, "capacity")]
)
def test_the_deadline_of_what_did_not_get_ready_says_what_to_do(
    begin: Begin, states: dict[int, RevisionObservation], word: str
) -> None:
    road = begin(policy(max_seconds=300))
    road.until(50)
    road.world.cluster.outcomes.update(states)

    assert road.end() is RolloutState.TIMED_OUT
    reason = road.world.last.reason
    assert reason
    assert states[2].message in reason.message
    assert word in (reason.remedy or "")


# The look that decides


def until_it_is_decided(road: Road) -> None:
    """The next look is the one at which the step's time is over, after figures that are good."""
    for _ in range(40):
        progress = road.world.progress(road.reference.rollout_id)
        if progress.since and (road.clock.now() - progress.since).total_seconds() >= 20:
            assert progress.judgement
            assert progress.judgement.verdict is Verdict.PASS
            return
        assert road.tick() == Next.TICK
    raise AssertionError("the step's time is never over")


@pytest.mark.parametrize("trouble", ["metrics", "stable"])
@pytest.mark.parametrize("patience", [OnInconclusive.ABORT, OnInconclusive.ASK])
def test_one_look_without_figures_decides_nothing(
    begin: Begin, patience: OnInconclusive, trouble: str
) -> None:
    road = begin(policy(on_inconclusive=patience))
    road.until(10)
    until_it_is_decided(road)
    if trouble == "metrics":
        road.world.metrics.down = 3
    else:
        road.world.cluster.outcomes[1] = PROGRESSING
    for _ in range(3):
        assert road.tick() == Next.TICK
        assert (road.share, road.phase) == (10, Phase.STEPPING)
    road.world.cluster.outcomes.clear()

    assert road.end() is RolloutState.PROMOTED


def test_looks_without_figures_are_waited_for_as_long_as_figures_may_be_old(begin: Begin) -> None:
    aged = AnalysisPolicy(max_age_seconds=30)
    road = begin(policy(on_inconclusive=OnInconclusive.ABORT, analysis=aged))
    road.until(10)
    until_it_is_decided(road)
    before = road.clock.now()
    road.world.metrics.down = 1000

    assert road.end() is RolloutState.ROLLED_BACK
    assert road.code == "Inconclusive"
    assert 25 <= (road.world.last.ended_at - before).total_seconds() <= 40


def test_nobody_is_sent_to_a_stable_revision_that_answers_nothing_for_want_of_a_verdict(
    begin: Begin,
) -> None:
    aged = AnalysisPolicy(max_age_seconds=30)
    road = begin(policy(on_inconclusive=OnInconclusive.ABORT, analysis=aged))
    road.until(10)
    until_it_is_decided(road)
    road.world.cluster.outcomes[1] = PROGRESSING
    before = road.clock.now()
    while (road.clock.now() - before).total_seconds() < 120:
        assert road.tick() == Next.TICK
        assert road.share == 10
    road.world.cluster.outcomes.clear()

    assert road.end() is RolloutState.PROMOTED


def test_few_requests_are_no_gap(begin: Begin) -> None:
    """They are what the step has come to."""
    wanted = AnalysisPolicy(min_requests=10_000)
    road = begin(policy(on_inconclusive=OnInconclusive.ABORT, analysis=wanted))
    road.until(10)
    before = road.clock.now()

    assert road.end() is RolloutState.ROLLED_BACK
    assert road.code == "Inconclusive"
    assert (road.world.last.ended_at - before).total_seconds() <= 25


# The last bake


def test_an_all_at_once_that_breaks_is_rolled_back_in_its_last_bake(begin: Begin) -> None:
    """By what the stable revision had answered until then: it has no steps to learn from."""
    road = begin(policy(strategy=AllAtOnce(), final_bake_seconds=600))
    road.errors = 10

    assert road.end() is RolloutState.ROLLED_BACK
    assert road.code == "ErrorRateHigher"
    ticks = road.world.ticks(road.reference.rollout_id)
    assert [tick.percent for tick in ticks] == [0, 100, 0]


def test_a_canary_that_breaks_after_its_steps_is_rolled_back(begin: Begin) -> None:
    road = begin(policy(final_bake_seconds=60))
    road.until(100)
    road.errors = 3

    assert road.end() is RolloutState.ROLLED_BACK
    assert road.code == "ErrorRateHigher"
    assert road.world.weights == {revision(1): 100}


def test_with_all_the_traffic_the_canary_passes_whatever_the_stable_revision_does(
    begin: Begin,
) -> None:
    """Knative lets it go to nothing."""
    road = begin(policy(final_bake_seconds=60))
    road.until(100)
    road.world.cluster.outcomes[1] = PROGRESSING
    road.tick()
    assert road.world.ticks(road.reference.rollout_id)[-1].verdict is Verdict.PASS


def test_a_good_one_passes_its_last_bake_by_its_own_requests(begin: Begin) -> None:
    road = begin(policy(final_bake_seconds=60))
    road.until(100)
    assert road.tick(per_second=0) == Next.TICK
    tick = road.world.ticks(road.reference.rollout_id)[-1]
    assert (tick.verdict, tick.checks[0].code) == (Verdict.PASS, "WithinLimit")
    assert tick.checks[0].samples_canary == 500  # of one tick at 100 %

    assert road.end() is RolloutState.PROMOTED
