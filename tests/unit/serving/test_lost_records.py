"""What a tick did to the cluster and could not record: the next one goes by what the traffic is marked with."""

import pytest

from controlplane.errors import UnavailableError
from controlplane.serving.decision import Next
from controlplane.serving.model import RolloutState
from controlplane.serving.settings import Autoscaling
from controlplane.serving.states import Command, Phase
from controlplane.serving.strategy import AllAtOnce, Canary, CanaryStep, Capacity, RolloutPolicy
from tests.fakes import Clock
from tests.fakes.cluster import PROGRESSING
from tests.unit.serving.test_canary import DEAD, POLICY, Begin, Road
from tests.unit.serving.world import PLACE, TENANT, World, revision

STABLE, CANARY = revision(1), revision(2)
COPIES = 4


@pytest.fixture
def begin(world: World, clock: Clock) -> Begin:
    return Begin(world, clock)


def lose_record(road: Road) -> None:
    """A tick whose record is refused, as it is when the deployment's item was changed meanwhile."""

    def refuse() -> None:
        raise UnavailableError("the table did not answer")

    road.world.table.interrupt = refuse
    with pytest.raises(UnavailableError):
        road.world.tick(road.reference)
    road.world.table.interrupt = None


def lose_promotion(road: Road) -> None:
    """All traffic is at the canary, and the record says 50 %."""
    road.until(50)
    road.tell(Command.PROMOTE)
    lose_record(road)
    assert road.world.weights == {CANARY: 100}
    assert road.world.progress(road.reference.rollout_id).percent == 50


def lean(begin: Begin) -> Road:
    steps = Canary(
        steps=(CanaryStep(percent=25, bake_seconds=5), CanaryStep(percent=75, bake_seconds=5))
    )
    road = begin(
        POLICY.model_copy(update={"capacity": Capacity.LEAN, "strategy": steps}),
        autoscaling=Autoscaling(min_replicas=COPIES, max_replicas=COPIES),
    )
    road.world.cluster.replicas[TENANT, STABLE] = COPIES
    return road


def test_a_promotion_whose_record_was_lost_is_carried_on_with(begin: Begin) -> None:
    road = begin()
    lose_promotion(road)

    assert road.tick() == Next.TICK
    assert (road.share, road.phase) == (100, Phase.BAKING)
    assert road.end() is RolloutState.PROMOTED


def test_a_lost_promotion_is_not_forgotten_when_a_pause_comes_after_it(begin: Begin) -> None:
    """In the phase Preparing too, where nothing else would say that the canary has traffic."""
    road = begin()
    road.tell(Command.PROMOTE)
    lose_record(road)
    road.tell(Command.PAUSE)
    road.tick()
    assert (road.share, road.phase) == (100, Phase.BAKING)
    road.tell(Command.RESUME)

    assert road.end() is RolloutState.PROMOTED


def test_a_lost_promotion_is_turned_back_by_what_speaks_against_it(begin: Begin) -> None:
    road = begin()
    lose_promotion(road)
    road.world.cluster.outcomes[2] = DEAD

    assert road.end() is RolloutState.ROLLED_BACK
    assert (road.code, road.world.weights) == ("RevisionUnhealthy", {STABLE: 100})


@pytest.mark.parametrize("recorded", [True, False])
def test_lean_goes_back_from_a_hundred_percent_at_once(begin: Begin, recorded: bool) -> None:
    road = lean(begin)
    road.until(100 if recorded else 75)
    if not recorded:
        road.tell(Command.PROMOTE)
        lose_record(road)
    cluster = road.world.cluster
    cluster.replicas[TENANT, STABLE] = 1
    cluster.lag = 5
    road.tell(Command.ABORT)
    before = len(cluster.writes)
    road.tick()

    done = [write.split()[0] for write in cluster.writes[before:]]
    assert done == ["roll_back", "resize_stable"]
    assert road.end() is RolloutState.ABORTED
    assert (cluster.replicas[TENANT, STABLE], road.world.weights) == (COPIES, {STABLE: 100})


def test_lean_is_rolled_back_by_a_breach_in_the_last_bake(begin: Begin) -> None:
    road = lean(begin)
    road.until(100)
    road.world.cluster.replicas[TENANT, STABLE] = 1
    road.world.cluster.outcomes[2] = DEAD

    assert road.end() is RolloutState.ROLLED_BACK
    assert (road.code, road.world.weights) == ("RevisionUnhealthy", {STABLE: 100})


def test_a_lost_rollback_of_an_abort_is_told_as_aborted(begin: Begin) -> None:
    road = begin()
    road.until(50)
    road.tell(Command.ABORT)
    lose_record(road)
    assert road.world.weights == {STABLE: 100}

    assert road.end() is RolloutState.ABORTED
    assert road.code == "Aborted"


@pytest.mark.parametrize("share", [0, 50])
def test_a_lost_rollback_ends_so_although_its_reason_has_passed(begin: Begin, share: int) -> None:
    """Our own mark says who turned the route: nobody else did."""
    road = begin()
    road.until(share)
    road.world.cluster.outcomes[2] = DEAD
    lose_record(road)
    del road.world.cluster.outcomes[2]

    assert road.end() is RolloutState.ROLLED_BACK
    assert (road.code, road.world.weights) == ("RecordLost", {STABLE: 100})


def test_what_somebody_else_turned_away_is_still_called_so(begin: Begin) -> None:
    road = begin()
    lose_promotion(road)
    road.world.cluster.turn(PLACE, {STABLE: 100})

    assert road.tick() == Next.END
    assert (road.world.last.state, road.code) == (RolloutState.ROLLED_BACK, "TrafficTakenAway")


def test_a_lost_promotion_all_at_once_is_repeated(begin: Begin) -> None:
    road = begin(RolloutPolicy(strategy=AllAtOnce(), final_bake_seconds=10))
    lose_record(road)

    assert road.end() is RolloutState.PROMOTED


def test_a_canary_that_is_missing_is_written_again_after_a_pause(begin: Begin) -> None:
    """A cache that is behind must not make the two tasks chase each other."""
    road = begin()
    road.world.cluster.outcomes[2] = PROGRESSING
    del road.world.cluster.revisions[TENANT, CANARY]
    turns = [road.world.tick(road.reference) for _ in range(4)]

    assert [turn.next for turn in turns] == [Next.TICK, Next.PREPARE] * 2
    assert all(turn.seconds >= 1 for turn in turns)


def test_a_long_outage_is_handed_over_too(begin: Begin) -> None:
    road = begin()
    road.until(10)
    road.world.cluster.fail_next(1)

    assert road.world.tick(road.reference, 1000).next == "HandOver"
    _, road.reference = road.world.open()
    assert road.end() is RolloutState.PROMOTED
