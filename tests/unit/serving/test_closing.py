"""What is undone after a rollout's end, whatever its identifier is and whenever its task comes."""

from itertools import permutations
from typing import Any

import pytest

from controlplane.errors import ClusterUnavailableError
from controlplane.serving.model import RolloutState
from controlplane.serving.rollout import RolloutReference
from controlplane.serving.settings import Autoscaling, DeploymentSettings
from controlplane.serving.strategy import AllAtOnce, Canary, CanaryStep, RolloutPolicy
from tests.fakes import Clock
from tests.unit.serving.test_canary import DEAD
from tests.unit.serving.world import PLACE, TENANT, World, revision

AT_ONCE = RolloutPolicy(strategy=AllAtOnce(), final_bake_seconds=0)
ORDERS = [dict(zip((1, 2, 3), order, strict=True)) for order in permutations("abc")]


def roll_out_by(world: World, number: int, letter: str) -> RolloutReference:
    """A rollout has begun, with an identifier that says nothing about when."""
    world.register(number)
    world.request(number)
    waiting = world.table.deployments[PLACE].waiting
    assert waiting is not None
    renamed = f"r-{letter * 8}"
    record = world.table.rollouts.pop((*PLACE, waiting.rollout_id))
    world.table.rollouts[*PLACE, renamed] = record.model_copy(update={"rollout_id": renamed})
    ticket = waiting.model_copy(update={"rollout_id": renamed})
    found = world.table.deployments[PLACE]
    world.table.deployments[PLACE] = found.with_changes(waiting=ticket)
    _, reference = world.open()
    assert reference.rollout_id == renamed
    world.apply(reference)
    return reference


@pytest.mark.parametrize("letters", ORDERS, ids=str)
def test_what_was_held_is_released_whatever_the_identifiers(
    world: World, clock: Clock, letters: dict[int, str]
) -> None:
    """Also by a rollout that ends before it has written the route."""
    world.roll_out(1)
    world.set(AT_ONCE)
    for number, letter in letters.items():
        clock.advance(60)
        reference = roll_out_by(world, number + 1, letter)
        assert world.cluster.held
        if number == 1:
            world.finish(reference)
        else:
            world.fail(reference)
            world.close(reference)
        assert (TENANT, revision(2)) not in world.cluster.held
        assert world.weights == {revision(2): 100}


@pytest.mark.parametrize("letters", ORDERS, ids=str)
def test_a_late_finish_leaves_the_traffic_of_what_came_after_it(
    world: World, clock: Clock, letters: dict[int, str]
) -> None:
    world.roll_out(1)
    world.set(AT_ONCE)
    clock.advance(60)
    failed = roll_out_by(world, 2, letters[1])
    world.fail(failed)
    clock.advance(60)
    newer = roll_out_by(world, 3, letters[2])
    world.finish(newer)
    before = dict(world.cluster.routes[PLACE].weights)

    world.close(failed)

    assert before == world.cluster.routes[PLACE].weights == {revision(3): 100}


@pytest.mark.parametrize("letters", ORDERS, ids=str)
def test_a_finish_that_is_overtaken_while_it_runs_writes_nothing(
    world: World, clock: Clock, letters: dict[int, str]
) -> None:
    """It has read that no rollout runs, and one begins and turns the route before its write."""
    world.roll_out(1)
    world.set(AT_ONCE)
    clock.advance(60)
    failed = roll_out_by(world, 2, letters[1])
    world.fail(failed)

    def overtake() -> None:
        clock.advance(60)
        world.tick(roll_out_by(world, 3, letters[2]))

    world.cluster.interrupts["finish"] = overtake
    world.close(failed)

    assert world.weights == {revision(3): 100}


def test_what_a_rollout_held_is_released_by_the_next_that_never_began(
    world: World, clock: Clock
) -> None:
    """The first one's end is overtaken by the start of one that its preflight refuses."""
    world.roll_out(1)
    world.set(AT_ONCE)
    clock.advance(60)
    first = roll_out_by(world, 2, "b")
    world.register(3)
    world.request(3)
    world.fail(first)
    clock.advance(60)
    _, second = world.open()
    world.close(first)
    world.fail(second)
    world.close(second)

    assert (TENANT, revision(1)) not in world.cluster.held


def test_an_in_place_rollout_that_failed_leaves_the_settings_that_were_served(
    world: World, clock: Clock
) -> None:
    world.roll_out(1)
    served = world.cluster.revisions[TENANT, revision(1)].settings
    wanted = DeploymentSettings(autoscaling=Autoscaling(min_replicas=3, max_replicas=9))
    found = world.deployment
    world.table.deployments[PLACE] = found.with_changes(settings=wanted)
    clock.advance(60)
    world.request(1)
    _, reference = world.open()
    world.apply(reference)
    assert world.cluster.revisions[TENANT, revision(1)].settings == wanted
    world.cluster.outcomes[1] = DEAD

    world.finish(reference)

    assert world.last.state is RolloutState.FAILED
    assert world.cluster.revisions[TENANT, revision(1)].settings == served
    world.close(reference)
    assert world.weights == {revision(1): 100}


def stepping(world: World) -> RolloutReference:
    """Version 1 serves, and a canary of version 2 has half of the requests."""
    world.roll_out(1)
    world.set(RolloutPolicy(strategy=Canary(steps=(CanaryStep(percent=50),))))
    reference = world.start(world.register(2))
    world.apply(reference)
    world.tick(reference)
    assert world.weights == {revision(1): 50, revision(2): 50}
    return reference


def bundle(world: World, reference: RolloutReference) -> Any:
    return world.evidence.bundles[*PLACE, reference.rollout_id]


def test_the_way_back_of_a_rollout_that_failed_is_in_its_evidence(world: World) -> None:
    reference = stepping(world)
    before = len(world.cluster.writes)
    world.fail(reference)

    world.close(reference)

    written = [write.replace(" ", "/", 1) for write in world.cluster.writes[before:]]
    assert [write.partition("/")[0] for write in written] == ["apply_route", "finish"]
    last = bundle(world, reference)["ticks"][-1]
    assert [change.path for change in last.changes] == written
    assert (last.percent, last.note) == (0, "after the end")


def test_what_a_promotion_leaves_to_be_done_is_in_its_evidence(world: World) -> None:
    reference = world.roll_out(1)

    last = bundle(world, reference)["ticks"][-1]
    assert [change.path for change in last.changes] == [f"finish/{revision(1)}"]
    assert last.percent == 100


def test_what_was_written_before_the_cluster_went_away_is_in_the_evidence_too(
    world: World,
) -> None:
    """A task that is done again finds the route as it should be, and has nothing to tell of it."""
    reference = stepping(world)
    world.fail(reference)
    world.cluster.interrupts["finish"] = lambda: world.cluster.fail_next(1)
    with pytest.raises(ClusterUnavailableError):
        world.close(reference)
    world.close(reference)

    ticks = bundle(world, reference)["ticks"]
    assert [tick.number for tick in ticks] == list(range(1, len(ticks) + 1))
    paths = [change.path.partition("/")[0] for tick in ticks[-2:] for change in tick.changes]
    assert paths == ["apply_route", "finish"]


def test_what_is_taken_back_before_a_rollout_begins_is_in_its_evidence(
    world: World, clock: Clock
) -> None:
    """An execution died while its canary had a share, and nothing has finished it."""
    died = stepping(world)
    world.fail(died)
    clock.advance(1)
    reference = world.start(world.register(3))
    world.apply(reference)

    (first,) = world.ticks(reference.rollout_id)
    assert [change.path.partition("/")[0] for change in first.changes] == ["apply_route", "prepare"]


def test_what_another_execution_undoes_is_in_the_ticks_of_the_rollout_that_died(
    world: World,
) -> None:
    reference = stepping(world)
    world.report_dead(reference.execution)
    before = world.ticks(reference.rollout_id)

    world.close(RolloutReference(*PLACE, "", "execution-9"))

    assert world.weights == {revision(1): 100}
    *known, last = world.ticks(reference.rollout_id)
    assert known == before
    assert [change.path.partition("/")[0] for change in last.changes] == ["apply_route", "finish"]
