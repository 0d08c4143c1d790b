"""What retirement, stop and resume do, where revisions share an object or a group."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from controlplane.adapters.revision_stores import store_of
from controlplane.errors import ConcurrentChangeError
from controlplane.identifiers import now
from controlplane.serving.administration import resume_deployment, stop_deployment
from controlplane.serving.cluster_ports import Mechanism, RevisionStore
from controlplane.serving.model import Deployment, RetiringRevision, Revision, ServingState
from controlplane.serving.switching import switch_deployment
from tests.fakes import MemoryDeployments, MemoryTable
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


def test_a_deployment_is_stopped_and_resumed_by_what_splits_its_traffic(world: World) -> None:
    wanted = world.next()
    world.rollouts.prepare(wanted)
    world.cluster.settle()
    world.rollouts.promote(wanted)
    world.cluster.settle()
    world.rollouts.finish(wanted, promoted=True)
    world.cluster.settle()
    kept = RetiringRevision(
        model_version=1,
        name=V1,
        retire_at=now() + timedelta(hours=1),
        previous=True,
        mechanism=world.mechanism,
    )
    served = Revision(model_version=2, name=V2, since=now(), mechanism=world.mechanism)
    table = MemoryTable()
    table.deployments[PLACE] = Deployment(
        name="digits", model="digits", created_at=now(), stable=served, retiring=(kept,)
    )
    deployments = MemoryDeployments(table)

    def switch() -> ServingState:
        switch_deployment(
            *PLACE,
            deployments=deployments,
            revisions=lambda mechanism: store_of(mechanism, world.cluster.api, GATEWAY),
        )
        world.cluster.settle()
        return deployments.get(*PLACE).serving

    stop_deployment(*PLACE, "ada", None, deployments=deployments)
    assert switch() is ServingState.STOPPED
    assert (world.pods(1), world.pods(2)) == (0, 0)

    resume_deployment(*PLACE, "ada", None, deployments=deployments)
    assert switch() is ServingState.RUNNING
    assert world.pods(2) == REPLICAS
    assert world.shares() == {2: 100}
