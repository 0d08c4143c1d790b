"""Revisions go when their time has come, whatever is repeated, interrupted or overtaken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.errors import ClusterUnavailableError, ConcurrentChangeError
from controlplane.serving.deployment_events import RevisionRetired
from controlplane.serving.retirement import BUSY_SECONDS
from controlplane.serving.service import delete_deployment
from controlplane.serving.states import Command
from tests.fakes import Clock, clock_stopped
from tests.unit.serving.world import GRACE, NAME, PLACE, PROJECT, TENANT, World, revision

GRACE_SECONDS = GRACE.total_seconds()


def present(world: World) -> list[str]:
    return sorted(name for _, name in world.cluster.revisions)


def leave(world: World) -> None:
    delete_deployment(*PLACE, "ada", None, deployments=world.deployments)


def test_a_revision_stays_for_its_grace_time(world: World, clock: Clock) -> None:
    world.roll_out(1)
    world.roll_out(2)

    assert world.retire() == GRACE_SECONDS
    clock.advance(GRACE_SECONDS - 1)
    assert world.retire() == 1
    assert present(world) == [revision(1), revision(2)]
    clock.advance(1)
    assert world.retire() is None
    assert present(world) == [revision(2)]


def test_a_revision_that_has_gone_is_announced_and_held_no_more(world: World, clock: Clock) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE_SECONDS)
    world.retire()

    (event,) = world.table.events_of(RevisionRetired)
    assert isinstance(event, RevisionRetired)
    assert event.model_version == 1
    assert world.table.versions[TENANT, PROJECT, NAME, 1].served_by == ()
    assert world.table.versions[TENANT, PROJECT, NAME, 2].served_by == (NAME,)
    assert world.weights == {revision(2): 100}


def test_nothing_to_retire_is_no_error(world: World) -> None:
    assert world.retire() is None
    world.roll_out(1)
    assert world.retire() is None
    assert present(world) == [revision(1)]


def test_a_retirement_whose_deletion_was_done_before_ends_well(world: World, clock: Clock) -> None:
    """The execution died between the cluster's deletion and the record."""
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE_SECONDS)
    del world.cluster.revisions[TENANT, revision(1)]

    assert world.retire() is None
    assert world.deployment.retiring == ()


def test_what_a_waiting_rollback_goes_back_to_stays_past_its_time(
    world: World, clock: Clock
) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE_SECONDS - 1)
    world.roll_back()
    clock.advance(2)

    assert world.retire() == BUSY_SECONDS
    assert revision(1) in present(world)
    _, reference = world.open()
    assert world.deployment.active is not None
    assert world.deployment.active.warm is not None
    world.apply(reference)
    world.finish(reference)
    assert world.weights == {revision(1): 100}


def test_a_rollback_that_comes_while_its_revision_goes_keeps_it(world: World, clock: Clock) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE_SECONDS - 1)
    before = world.deployment

    def go_back() -> None:
        world.roll_back()
        clock.advance(1)

    world.cluster.interrupts["find_weights"] = go_back
    with pytest.raises(ConcurrentChangeError):
        world.retire()
    assert before.previous == world.deployment.previous
    assert revision(1) in present(world)


def test_what_nobody_goes_back_to_any_more_goes(world: World, clock: Clock) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE_SECONDS - 1)
    asked = world.roll_back()
    clock.advance(1)
    world.command(asked.rollout_id, Command.ABORT)

    assert world.retire() is None
    assert present(world) == [revision(2)]


@pytest.mark.parametrize("call", ["find_weights", "find_revision_mark", "delete_revision"])
def test_a_revision_that_a_rollout_takes_up_meanwhile_is_not_deleted(
    world: World, clock: Clock, call: str
) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE_SECONDS)

    def take_up() -> None:
        world.request(1)
        _, reference = world.open()
        world.apply(reference)

    world.cluster.interrupts[call] = take_up
    with pytest.raises(ConcurrentChangeError):
        world.retire()

    assert revision(1) in present(world)
    assert world.retire() is None
    assert revision(1) in present(world)


def test_a_revision_that_was_taken_up_before_it_was_looked_at_is_not_deleted(
    world: World, clock: Clock
) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE_SECONDS)
    world.request(1)
    world.open()

    assert world.retire() is None
    assert present(world) == [revision(1), revision(2)]


def test_traffic_that_a_failed_rollout_left_behind_goes_back_to_the_stable(world: World) -> None:
    world.roll_out(1)
    reference = world.start(world.register(2))
    world.apply(reference)
    world.shift(reference)
    world.fail(reference)
    assert world.weights == {revision(2): 100}

    assert world.retire() is None
    assert world.weights == {revision(1): 100}
    assert present(world) == [revision(1)]


def test_copies_that_a_failed_rollout_left_behind_end(world: World) -> None:
    """The next rollout fails before it touches the route, and the revision goes."""
    world.roll_out(1)
    reference = world.start(world.register(2))
    world.apply(reference)
    world.cluster.routes[PLACE].mirrored = {revision(2): 100}
    world.fail(reference)
    world.fail(world.start(world.register(3)))

    assert world.retire() is None
    assert present(world) == [revision(1)]
    assert world.cluster.routes[PLACE].mirrored == {}


def test_a_revision_with_traffic_waits_while_a_rollout_has_the_route(world: World) -> None:
    world.roll_out(1)
    failed = world.start(world.register(2))
    world.apply(failed)
    world.shift(failed)
    world.fail(failed)
    world.start(world.register(3))

    assert world.retire() == BUSY_SECONDS
    assert revision(2) in present(world)
    assert world.weights == {revision(2): 100}


def test_a_first_rollout_that_fails_leaves_no_route(world: World) -> None:
    reference = world.start(world.register(1))
    world.apply(reference)
    world.fail(reference)

    assert world.retire() is None
    assert (present(world), world.weights) == ([], None)


def test_the_route_stays_while_the_next_rollout_uses_it(world: World, clock: Clock) -> None:
    first = world.start(world.register(1))
    world.apply(first)
    clock.advance(1)
    world.open(world.register(2))
    world.fail(first)
    _, second = world.open()
    world.apply(second)
    world.shift(second)

    world.retire()

    assert world.weights == {revision(2): 100}
    assert present(world) == [revision(2)]


def test_a_cluster_that_does_not_answer_leaves_the_retirement_to_be_done(
    world: World, clock: Clock
) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE_SECONDS)
    for _ in range(3):
        world.cluster.fail_next(1)
        with pytest.raises(ClusterUnavailableError):
            world.retire()

    assert world.retire() is None
    assert present(world) == [revision(2)]


@settings(max_examples=60)
@given(
    versions=st.integers(2, 4),
    pauses=st.lists(st.sampled_from([0, 100, 400]), min_size=1, max_size=6),
    faults=st.lists(st.integers(0, 3), min_size=6, max_size=6),
)
def test_retiring_again_and_again_retires_each_revision_once(
    versions: int, pauses: list[int], faults: list[int]
) -> None:
    with clock_stopped() as clock:
        world = World()
        for number in range(1, versions + 1):
            world.roll_out(number)
            clock.advance(10)
        for pause, fault in zip([*pauses, 1000, 1000], [*faults, 0, 0], strict=False):
            clock.advance(pause)
            world.cluster.fail_next(fault)
            for _ in range(fault + 1):
                try:
                    world.retire()
                except ClusterUnavailableError:
                    continue
        world.cluster.faults.clear()
        clock.advance(GRACE_SECONDS)
        assert world.retire() is None
        assert world.retire() is None

        events = [e for e in world.table.events if isinstance(e, RevisionRetired)]
        assert sorted(event.model_version for event in events) == list(range(1, versions))
        assert present(world) == [revision(versions)]
        assert world.weights == {revision(versions): 100}
