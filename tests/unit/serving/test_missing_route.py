"""A route that somebody has deleted: nobody gets anything, and nothing of a rollout is in effect."""

from datetime import timedelta

import pytest

from controlplane.identifiers import now
from controlplane.serving.cluster_ports import TransitionObservation
from controlplane.serving.decision import Next, Situation, decide
from controlplane.serving.effects import EffectKind
from controlplane.serving.ports import RevisionObservation, RevisionState
from controlplane.serving.progress import Progress
from controlplane.serving.states import Command, Phase, RolloutState
from controlplane.serving.strategy import AllAtOnce, BlueGreen, Canary, RolloutPolicy
from tests.fakes import Clock
from tests.unit.serving.test_canary import Begin
from tests.unit.serving.world import PLACE, World, revision

READY = RevisionObservation(RevisionState.READY)
MISSING = TransitionObservation(READY, READY, 0, 0, settled=True, routed=False)


@pytest.fixture
def begin(world: World, clock: Clock) -> Begin:
    return Begin(world, clock)


def situation(policy: RolloutPolicy, *, has_stable: bool = True) -> Situation:
    moment = now()
    later = moment + timedelta(hours=1)
    return Situation(policy, has_stable, MISSING, None, (), moment, moment, later, later)


def test_a_step_is_written_again_and_goes_on(begin: Begin) -> None:
    road = begin()
    road.until(10)
    del road.world.cluster.routes[PLACE]

    assert road.tick() == Next.TICK

    assert road.world.weights == {revision(1): 90, revision(2): 10}
    assert road.end() is RolloutState.PROMOTED


def test_a_step_without_requests_is_written_again_as_well() -> None:
    policy = RolloutPolicy(strategy=BlueGreen(judged_on="Mirror"))
    assert policy.steps[0].percent == 0

    decision = decide(Progress(phase=Phase.STEPPING, served=True), situation(policy))

    assert [effect.kind for effect in decision.effects] == [EffectKind.SHIFT]
    assert decision.progress.since is None


@pytest.mark.parametrize("has_stable", [True, False])
def test_all_traffic_is_given_again(has_stable: bool) -> None:
    policy = RolloutPolicy(strategy=AllAtOnce(), final_bake_seconds=60)
    progress = Progress(phase=Phase.BAKING, percent=100, served=True)

    decision = decide(progress, situation(policy, has_stable=has_stable))

    assert [effect.kind for effect in decision.effects] == [EffectKind.PROMOTE]


def test_a_rollback_is_written_and_ends_when_it_is_seen(begin: Begin) -> None:
    road = begin(RolloutPolicy(strategy=Canary()))
    road.until(10)
    road.tell(Command.ABORT)
    del road.world.cluster.routes[PLACE]

    assert road.end() is RolloutState.ABORTED
    assert road.world.weights == {revision(1): 100}


def test_it_is_no_rollback_while_nobody_gets_anything(begin: Begin) -> None:
    """Deleted between the write and the look that would have confirmed it: it is written once more."""
    road = begin(RolloutPolicy(strategy=Canary()))
    road.until(10)
    road.world.cluster.lag = 2
    road.tell(Command.ABORT)
    assert road.tick() == Next.TICK
    road.world.cluster.lag = 0
    del road.world.cluster.routes[PLACE]
    written = road.world.cluster.writes.count(f"roll_back {revision(1)}")

    assert road.end() is RolloutState.ABORTED

    assert road.world.cluster.writes.count(f"roll_back {revision(1)}") == written + 1
    assert road.world.weights == {revision(1): 100}
