"""What retirement, stop and resume do, where revisions share an object or a group."""

from collections.abc import Iterator

import pytest

from controlplane.adapters.revision_stores import store_of
from controlplane.errors import ConcurrentChangeError
from controlplane.serving.cluster_ports import Mechanism, RevisionStore
from tests.scripted_cluster.server import scripted_cluster
from tests.scripted_cluster.world import GATEWAY, REPLICAS, World

PLACE = ("acme", "vision", "digits")
V1, V2 = "vision--digits--v1", "vision--digits--v2"


@pytest.fixture(params=[Mechanism.KNATIVE, Mechanism.SPEC_CANARY, Mechanism.GROUP])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with scripted_cluster() as cluster:
        made = World(cluster, request.param)
        made.serve()
        yield made


@pytest.fixture
def store(world: World) -> RevisionStore:
    return store_of(world.mechanism, world.cluster.api, GATEWAY)


def test_traffic_that_a_broken_rollout_left_is_taken_back(
    world: World, store: RevisionStore
) -> None:
    wanted = world.next()
    world.rollouts.prepare(wanted)
    world.cluster.settle()
    world.shift(wanted, 50)
    world.cluster.settle()
    assert (store.find_weights(*PLACE) or {}).get(V2)

    store.apply_route(*PLACE, {V1: 100})

    world.cluster.settle()
    assert world.shares() == {1: 100}
    assert not (store.find_weights(*PLACE) or {}).get(V2)
    store.apply_route(*PLACE, {V1: 100})


def test_what_is_deleted_is_what_was_looked_at(world: World, store: RevisionStore) -> None:
    mark = store.find_revision_mark("acme", V1)
    assert mark is not None
    store.set_stopped("acme", [V1], stopped=True)
    with pytest.raises(ConcurrentChangeError):
        store.delete_revision("acme", V1, mark)

    present = store.find_revision_mark("acme", V1)
    assert present is not None
    store.delete_revision("acme", V1, present)
    store.delete_route(*PLACE)
    store.delete_route(*PLACE)

    assert store.find_revision_mark("acme", V1) is None
    assert store.find_weights(*PLACE) is None


def test_it_is_stopped_and_started_again(world: World, store: RevisionStore) -> None:
    store.set_stopped("acme", [V1], stopped=True)
    world.cluster.settle()
    assert world.pods(1) == 0

    store.set_stopped("acme", [V1], stopped=False)
    world.cluster.settle()
    assert world.pods(1) == REPLICAS
