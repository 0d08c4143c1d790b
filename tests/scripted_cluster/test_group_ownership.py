"""Which rollout a routing group's traffic belongs to: its members are objects of their own, its mark is one."""

from collections.abc import Callable, Iterator

import pytest

from controlplane.errors import ConcurrentChangeError
from controlplane.serving.cluster_ports import Traffic, TrafficMark
from tests.scripted_cluster.groups import SERVICES
from tests.scripted_cluster.server import scripted_cluster
from tests.scripted_cluster.trap_scenes import GROUP
from tests.scripted_cluster.world import NAME, World

Call = Callable[[], object]


@pytest.fixture
def world() -> Iterator[World]:
    with scripted_cluster() as cluster:
        made = World(cluster, GROUP)
        made.serve()
        yield made


def weight(world: World, number: int) -> int:
    member = world.cluster.objects.found[f"{SERVICES}{NAME}--v{number}"]
    return int(member["spec"]["router"]["route"]["weight"])


def refused(call: Call) -> bool:
    """Whether nothing came of it."""
    try:
        written = call()
    except ConcurrentChangeError:
        return True
    return written == []


@pytest.mark.parametrize("before", range(5))
def test_whatever_a_rollout_has_still_on_its_way_is_refused_once_the_next_has_begun(
    world: World, before: int
) -> None:
    """The first one's execution died at any point; its calls come through later, in their order."""
    first, second, rollouts = world.next(2), world.next(3), world.rollouts
    calls: list[Call] = [
        lambda: rollouts.prepare(first),
        lambda: rollouts.shift(first, Traffic(10)),
        lambda: rollouts.shift(first, Traffic(50)),
        lambda: rollouts.promote(first),
        lambda: rollouts.finish(first, promoted=False),
    ]
    for call in calls[:before]:
        call()
        world.cluster.settle()
    rollouts.prepare(second)
    world.cluster.settle()
    world.shift(second, 25)
    world.cluster.settle()
    shares = world.shares()
    assert shares == {1: 75, 3: 25}, "the first one's canary has nothing any more"

    for call in calls[before:]:
        assert refused(call)
        world.cluster.settle()
        assert world.shares() == shares
    rollouts.roll_back(first)
    world.cluster.settle()
    assert world.shares() == shares
    assert world.observe(second).mark is TrafficMark.SHIFTING


@pytest.mark.parametrize("gone", [False, True])
def test_an_end_that_comes_after_the_next_promotion_takes_nothing_from_it(
    world: World, gone: bool
) -> None:
    """Whether its own canary is still there or has been retired."""
    first, second, rollouts = world.next(2), world.next(3), world.rollouts
    rollouts.prepare(first)
    world.cluster.settle()
    rollouts.roll_back(first)
    rollouts.prepare(second)
    world.cluster.settle()
    rollouts.promote(second)
    world.cluster.settle()
    rollouts.finish(second, promoted=True)
    world.cluster.settle()
    assert world.shares() == {3: 100}
    if gone:
        del world.cluster.objects.found[f"{SERVICES}{NAME}--v2"]

    assert rollouts.finish(first, promoted=False) == []

    world.cluster.settle()
    assert world.shares() == {3: 100}


def test_a_rollout_that_begins_before_the_end_of_the_last_was_done_has_its_share(
    world: World,
) -> None:
    """The last one's promotion left its member a weight a hundred times that of a stable one."""
    first, second, rollouts = world.next(2), world.next(3, stable=2), world.rollouts
    rollouts.prepare(first)
    world.cluster.settle()
    rollouts.promote(first)
    world.cluster.settle()

    rollouts.prepare(second)
    world.cluster.settle()
    assert (world.shares(), weight(world, 1)) == ({2: 100}, 0)
    world.shift(second, 10)
    world.cluster.settle()

    assert world.shares() == {2: 90, 3: 10}
    seen = world.observe(second)
    assert (seen.settled, seen.canary_percent) == (True, 10)


@pytest.mark.parametrize("step", ["promote", "shift"])
def test_a_write_between_whose_reading_and_writing_the_next_began_is_refused(
    world: World, step: str
) -> None:
    first, second, rollouts = world.next(2), world.next(3), world.rollouts
    rollouts.prepare(first)
    world.cluster.settle()
    world.cluster.interrupt = lambda: rollouts.prepare(second)

    with pytest.raises(ConcurrentChangeError):
        rollouts.promote(first) if step == "promote" else rollouts.shift(first, Traffic(50))

    world.cluster.settle()
    assert world.shares() == {1: 100}
    assert world.observe(second).mark is TrafficMark.SHIFTING
