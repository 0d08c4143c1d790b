"""Rollouts by KServe's three own mechanisms, against a cluster that keeps their rules.

At every point between two looks of a controller: traffic sums to 100, users meet no more of the canary than its step,
and the stable version has all the pods that were promised.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from controlplane.adapters.tenant_namespaces import ISOLATION
from controlplane.errors import (
    ClusterRefusedError,
    ClusterUnavailableError,
    ConcurrentChangeError,
)
from controlplane.limits import Isolation
from controlplane.serving.cluster_ports import Mechanism, Traffic, TrafficMark, Transition
from controlplane.serving.ports import RevisionState
from controlplane.serving.settings import Autoscaling, DeploymentSettings
from tests.scripted_cluster.server import scripted_cluster
from tests.scripted_cluster.world import REPLICAS, World, transition, uri

MECHANISMS = [Mechanism.KNATIVE, Mechanism.SPEC_CANARY, Mechanism.GROUP]


@pytest.fixture(params=MECHANISMS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with scripted_cluster() as cluster:
        made = World(cluster, request.param)
        made.serve()
        yield made


def holds(world: World, most: int) -> None:
    """What is promised while version 2 may have at most this share."""
    traffic = world.traffic()
    assert sum(traffic.values()) == 100, traffic
    assert traffic.get(uri(2), 0) <= most, traffic
    assert world.pods(1) >= REPLICAS


def test_a_first_version_gets_all_traffic(world: World) -> None:
    assert world.shares() == {1: 100}
    assert world.pods(1) == REPLICAS


def test_a_canary_goes_up_in_steps_and_takes_over(world: World) -> None:
    wanted = world.next()
    world.rollouts.prepare(wanted)
    world.steps(5, lambda: holds(world, 0))
    seen = world.observe(wanted)
    assert seen.canary.state is RevisionState.READY, seen
    assert (seen.settled, seen.canary_percent, seen.stable_percent) == (True, 0, 100)
    assert (seen.canary_replicas, seen.stable_replicas) == (REPLICAS, REPLICAS)
    for percent in (1, 10, 50, 99):
        world.shift(wanted, percent)
        told = None if world.mechanism is Mechanism.KNATIVE else percent
        assert (world.observe(wanted).settled, world.observe(wanted).asked_percent) == (False, told)
        world.steps(4, lambda most=percent: holds(world, most))  # type: ignore[misc]
        seen = world.observe(wanted)
        assert (seen.settled, seen.canary_percent) == (True, percent), seen
        assert world.shares() == {1: 100 - percent, 2: percent}

    world.rollouts.promote(wanted)
    world.cluster.settle()

    seen = world.observe(wanted)
    assert (seen.settled, seen.canary_percent, seen.canary.state) == (
        True,
        100,
        RevisionState.READY,
    )
    assert world.shares() == {2: 100}
    world.rollouts.finish(wanted, promoted=True)
    world.cluster.settle()
    assert world.shares() == {2: 100}
    assert world.pods(2) == REPLICAS
    assert world.observe(wanted).settled


def test_a_rollback_is_one_write_after_which_all_is_as_before(world: World) -> None:
    wanted = _at(world, 50)
    before = len(world.cluster.writes)

    world.rollouts.roll_back(wanted)

    assert len(world.cluster.writes) == before + 1
    world.steps(4, lambda: holds(world, 50))
    assert world.shares() == {1: 100}
    seen = world.observe(wanted)
    assert (seen.settled, seen.canary_percent, seen.stable_percent) == (True, 0, 100)
    world.rollouts.finish(wanted, promoted=False)
    world.steps(6, lambda: holds(world, 0))
    assert world.shares() == {1: 100}


def test_after_a_rollback_the_next_version_takes_over_as_if_nothing_had_been(world: World) -> None:
    wanted = _at(world, 10)
    world.rollouts.roll_back(wanted)
    world.cluster.settle()
    world.rollouts.finish(wanted, promoted=False)
    world.cluster.settle()

    third = world.next(3)
    world.rollouts.prepare(third)
    world.steps(5, lambda: holds(world, 0))
    world.shift(third, 10)
    world.steps(5, lambda: holds(world, 0))
    assert world.shares() == {1: 90, 3: 10}
    world.rollouts.promote(third)
    world.cluster.settle()
    assert world.shares() == {3: 100}


@pytest.mark.parametrize("mechanism", [Mechanism.KNATIVE, Mechanism.GROUP])
def test_a_promotion_is_rolled_back_while_the_version_before_is_kept(mechanism: Mechanism) -> None:
    with scripted_cluster() as cluster:
        world = World(cluster, mechanism)
        world.serve()
        wanted = _at(world, 50)
        world.rollouts.promote(wanted)
        world.cluster.settle()
        assert world.shares() == {2: 100}

        world.rollouts.roll_back(wanted)
        world.cluster.settle()

        assert world.shares() == {1: 100}
        assert world.observe(wanted).canary_percent == 0


def test_nothing_late_brings_a_canary_back_that_was_rolled_back(world: World) -> None:
    wanted = _at(world, 10)
    world.rollouts.roll_back(wanted)

    with pytest.raises(ConcurrentChangeError):
        world.shift(wanted, 50)
    with pytest.raises(ConcurrentChangeError):
        world.rollouts.promote(wanted)
    with pytest.raises(ConcurrentChangeError):
        world.rollouts.prepare(wanted)

    world.cluster.settle()
    assert world.shares() == {1: 100}


@pytest.mark.parametrize("older", ["r-00000000", "r-ffffffff"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_an_end_that_comes_late_writes_nothing_whatever_its_identifier(
    mechanism: Mechanism, older: str
) -> None:
    """Identifiers are hashes: what counts is which rollout began later."""
    with scripted_cluster() as cluster:
        world = World(cluster, mechanism)
        world.serve()
        late = replace(world.next(), rollout_id=older, began="2025-12-31T23:00:00Z")
        _at(world, 50)
        before = len(cluster.writes)

        assert world.rollouts.finish(late, promoted=False) == []
        assert world.rollouts.restore(replace(late, stable=None)) == []
        assert len(cluster.writes) == before


def test_a_rollback_leaves_the_canary_on_the_nodes_of_a_tenant_of_its_own() -> None:
    """`spec.canary` is written whole; pods of another template would be others, on nodes of everybody's."""
    with scripted_cluster() as cluster:
        world = World(cluster, Mechanism.SPEC_CANARY)
        labels = {ISOLATION: str(Isolation.DEDICATED)}
        named = {"metadata": {"name": "tenant-acme", "labels": labels}}
        cluster.objects.put("api/v1/namespaces/tenant-acme", named)
        world.serve()
        wanted = _at(world, 50)
        (entry,) = world.service()["spec"]["canary"]

        world.rollouts.roll_back(wanted)

        (after,) = world.service()["spec"]["canary"]
        assert entry["predictor"]["nodeSelector"]
        assert after == entry | {"trafficPercent": 0}


def test_what_a_rollout_did_last_is_read_off_the_traffic(world: World) -> None:
    wanted = world.next()
    other = replace(wanted, rollout_id="r-ffffffff")
    world.rollouts.prepare(wanted)
    world.cluster.settle()
    assert world.observe(wanted).mark is TrafficMark.SHIFTING
    world.shift(wanted, 50)
    world.rollouts.promote(wanted)
    assert world.observe(wanted).mark is TrafficMark.PROMOTED
    with pytest.raises(ConcurrentChangeError):
        world.shift(wanted, 50)
    assert world.observe(other).mark is TrafficMark.NONE


def test_an_in_place_rollout_is_undone_with_the_settings_of_before(world: World) -> None:
    """And nothing of it that is held up on its way is heeded any more."""
    in_place = replace(
        transition(1, world.mechanism), rollout_id="r-00000009", began="2026-01-01T01:00:00Z"
    )
    larger = Autoscaling(min_replicas=REPLICAS + 1, max_replicas=REPLICAS + 1)
    wanted = replace(in_place.canary, settings=DeploymentSettings(autoscaling=larger))
    changed = replace(in_place, canary=wanted)
    world.rollouts.prepare(changed)
    world.cluster.settle()
    assert world.pods(1) == REPLICAS + 1

    world.rollouts.restore(in_place)
    world.cluster.settle()

    assert world.shares() == {1: 100}
    assert world.observe(in_place).mark is TrafficMark.ROLLED_BACK
    with pytest.raises(ConcurrentChangeError):
        world.rollouts.prepare(changed)
    assert world.pods(1) >= REPLICAS


@pytest.mark.parametrize("fate", ["failing", "losing"])
@pytest.mark.parametrize("promoted", [True, False])
def test_whichever_write_or_answer_is_lost_a_repeat_leads_to_the_same_end(
    world: World, fate: str, promoted: bool
) -> None:
    """Each write of a whole rollout once fails or once loses its answer; the call is made again."""
    before = len(world.cluster.writes)
    _whole_rollout(world, promoted, number=2, stable=1)
    writes = len(world.cluster.writes) - before
    stable = 2 if promoted else 1
    for skipped in range(writes):
        number = 10 + skipped
        setattr(world.cluster, fate, 1)
        world.cluster.skipping = skipped
        _whole_rollout(world, promoted, number=number, stable=stable)
        assert (world.cluster.failing, world.cluster.losing) == (0, 0), "the fault was met"
        stable = number if promoted else stable
        assert world.shares() == {stable: 100}
        # Knative keeps the revision that has the model put back beside the one that serves.
        assert world.pods(stable) in (REPLICAS, 2 * REPLICAS)


def test_a_call_that_never_gets_through_says_so(world: World) -> None:
    world.cluster.failing = 1

    with pytest.raises(ClusterUnavailableError):
        world.rollouts.prepare(world.next())


@pytest.mark.parametrize(
    "traffic", [Traffic(0, mirror_percent=10), Traffic(0, probes=True)], ids=["copies", "probes"]
)
def test_what_only_a_route_has_is_refused_and_not_left_out(world: World, traffic: Traffic) -> None:
    wanted = _at(world, 1)
    before = list(world.cluster.writes)

    with pytest.raises(ClusterRefusedError, match="has no"):
        world.rollouts.shift(wanted, traffic)

    assert world.cluster.writes == before


def test_lean_takes_stable_pods_only_when_asked(world: World) -> None:
    wanted = _at(world, 50)

    world.rollouts.resize_stable(wanted, 1)
    world.cluster.settle()

    expected = REPLICAS if world.mechanism is Mechanism.KNATIVE else 1
    assert world.pods(1) == expected
    assert world.shares() == {1: 50, 2: 50}


def _at(world: World, percent: int) -> Transition:
    wanted = world.next()
    world.rollouts.prepare(wanted)
    world.cluster.settle()
    world.shift(wanted, percent)
    world.cluster.settle()
    return wanted


def _whole_rollout(world: World, promoted: bool, number: int, stable: int) -> None:
    wanted, rollouts = world.next(number, stable), world.rollouts

    def holds_still() -> None:
        traffic = world.traffic()
        assert sum(traffic.values()) == 100, traffic
        assert world.pods(stable) >= REPLICAS

    world.until_done(lambda: rollouts.prepare(wanted))
    world.steps(5, holds_still)
    world.until_done(lambda: rollouts.shift(wanted, Traffic(10)))
    world.steps(4, holds_still)
    if promoted:
        world.until_done(lambda: rollouts.promote(wanted))
    else:
        world.until_done(lambda: rollouts.roll_back(wanted))
        world.steps(4, holds_still)
    world.cluster.settle()
    world.until_done(lambda: rollouts.finish(wanted, promoted=promoted))
    world.cluster.settle()
