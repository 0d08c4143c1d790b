"""Making a deployment before its first version, changing its settings, stopping and resuming it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from controlplane.errors import (
    AlreadyExistsError,
    ConflictError,
    IdempotencyKeyReusedError,
    InUseError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.identifiers import now
from controlplane.requests import IdempotentRequest
from controlplane.serving.administration import (
    change_settings,
    create_deployment,
    resume_deployment,
    stop_deployment,
)
from controlplane.serving.deployment_events import (
    DeploymentSettingsChanged,
    DeploymentStopped,
    DeploymentSwitched,
)
from controlplane.serving.model import Deployment, DeploymentRequest, DeploymentStatus, ServingState
from controlplane.serving.queue import retire_all
from controlplane.serving.settings import Autoscaling, DeploymentSettings
from controlplane.serving.states import Mechanism
from controlplane.serving.switching import switch_deployment
from tests.unit.serving.world import NAME, PLACE, PROJECT, TENANT, World, revision

LARGER = DeploymentSettings(autoscaling=Autoscaling(min_replicas=2, max_replicas=4))


class MemorySwitch:
    """A RevisionSwitch that remembers what is stopped."""

    def __init__(self) -> None:
        self.stopped: set[str] = set()

    def set_stopped(self, tenant_id: str, names: Sequence[str], *, stopped: bool) -> None:
        assert tenant_id == TENANT
        self.stopped = self.stopped | set(names) if stopped else self.stopped - set(names)


def create(
    world: World, name: str = "staging", request: IdempotentRequest | None = None
) -> Deployment:
    wanted = DeploymentRequest(name=name, model=NAME, settings=LARGER)
    return create_deployment(TENANT, PROJECT, wanted, "ada", request, deployments=world.deployments)


def stop(world: World, if_match: int | None = None) -> Deployment:
    return stop_deployment(*PLACE, "ada", if_match, deployments=world.deployments)


def resume(world: World) -> Deployment:
    return resume_deployment(*PLACE, "ada", None, deployments=world.deployments)


def switch(world: World, cluster: MemorySwitch) -> None:
    switch_deployment(*PLACE, deployments=world.deployments, revisions=lambda _: cluster)


def test_a_deployment_is_there_before_its_first_version(world: World) -> None:
    made = create(world)

    found = world.deployments.get(TENANT, PROJECT, "staging")
    assert found == made
    assert (found.status, found.model) == (DeploymentStatus.CREATING, NAME)
    assert found.settings == LARGER


def test_the_same_request_makes_one_deployment(world: World) -> None:
    once = IdempotentRequest("a" * 64, "body", now() + timedelta(hours=24))
    assert create(world, request=once) == create(world, request=once)
    with pytest.raises(IdempotencyKeyReusedError):
        create(world, request=IdempotentRequest("a" * 64, "other", once.expires_at))


def test_a_name_is_given_once(world: World) -> None:
    create(world)
    with pytest.raises(AlreadyExistsError):
        create(world)


def test_a_project_must_be_there(world: World) -> None:
    world.table.projects.clear()
    with pytest.raises(NotFoundError):
        create(world)


def test_settings_change_with_an_event_and_a_repeat_is_none(world: World) -> None:
    world.roll_out(1)
    before = world.deployment
    for _ in range(2):
        change_settings(*PLACE, LARGER, "ada", None, deployments=world.deployments)

    assert world.deployment.settings == LARGER
    assert world.deployment.version == before.version + 1
    assert len(world.table.events_of(DeploymentSettingsChanged)) == 1


def test_settings_of_another_state_are_not_overwritten(world: World) -> None:
    world.roll_out(1)
    with pytest.raises(PreconditionFailedError):
        change_settings(
            *PLACE, LARGER, "ada", world.deployment.version - 1, deployments=world.deployments
        )


def test_a_stopped_deployment_keeps_what_it_serves_and_runs_again(world: World) -> None:
    cluster = MemorySwitch()
    world.roll_out(1)
    stable = world.deployment.stable

    stop(world)
    assert world.deployment.status is DeploymentStatus.STOPPED
    switch(world, cluster)
    assert cluster.stopped == {revision(1)}
    assert world.deployment.serving is ServingState.STOPPED

    resume(world)
    switch(world, cluster)
    assert cluster.stopped == set()
    resumed = world.deployment
    assert (resumed.status, resumed.stable) == (DeploymentStatus.READY, stable)


def test_each_revision_is_stopped_by_the_mechanism_that_keeps_it(world: World) -> None:
    """One that is kept for a rollback may be from before the mechanism changed."""
    world.roll_out(1)
    world.roll_out(2)
    found = world.deployment
    assert found.stable
    moved = found.stable.model_copy(update={"mechanism": Mechanism.GROUP})
    world.table.deployments[PLACE] = found.with_changes(stable=moved)
    clusters = {mechanism: MemorySwitch() for mechanism in Mechanism}

    stop(world)
    switch_deployment(*PLACE, deployments=world.deployments, revisions=clusters.__getitem__)

    assert {each: cluster.stopped for each, cluster in clusters.items() if cluster.stopped} == {
        Mechanism.GROUP: {revision(2)},
        Mechanism.ROUTE: {revision(1)},
    }


@pytest.mark.parametrize("also_resumed", [False, True])
def test_a_deployment_deleted_while_it_was_stopped_takes_a_new_version_up(
    world: World, also_resumed: bool
) -> None:
    cluster = MemorySwitch()
    world.roll_out(1)
    stop(world)
    switch(world, cluster)
    if also_resumed:
        resume(world)

    found = world.deployment
    gone = retire_all(found, now())
    world.table.deployments[PLACE] = gone
    switch(world, cluster)
    world.roll_out(2)

    assert world.deployment.serving is ServingState.RUNNING
    assert world.deployment.status is DeploymentStatus.READY


@pytest.mark.parametrize("wanted", [ServingState.STOPPING, ServingState.RESUMING])
def test_what_serves_nothing_is_not_left_between_stopped_and_running(
    world: World, wanted: ServingState
) -> None:
    """An item that was written before deleting it made it run again."""
    world.roll_out(1)
    found = retire_all(world.deployment, now())
    world.table.deployments[PLACE] = found.with_changes(serving=wanted)

    switch(world, MemorySwitch())

    assert world.deployment.serving is ServingState.RUNNING


def test_stopping_twice_announces_it_once(world: World) -> None:
    world.roll_out(1)
    stop(world)
    stop(world)
    assert len(world.table.events_of(DeploymentStopped)) == 1


def test_a_repeated_event_switches_nothing_more(world: World) -> None:
    cluster = MemorySwitch()
    world.roll_out(1)
    stop(world)
    switch(world, cluster)
    cluster.stopped.clear()
    switch(world, cluster)
    assert cluster.stopped == set()
    assert len(world.table.events_of(DeploymentSwitched)) == 1


def test_an_event_that_comes_late_does_what_is_wanted_now(world: World) -> None:
    cluster = MemorySwitch()
    world.roll_out(1)
    stop(world)
    resume(world)
    switch(world, cluster)
    assert cluster.stopped == set()
    assert world.deployment.serving is ServingState.RUNNING


def test_nothing_is_stopped_during_a_rollout(world: World) -> None:
    world.roll_out(1)
    world.start(world.register(2))
    with pytest.raises(InUseError):
        stop(world)


def test_there_is_nothing_to_stop_where_nothing_serves(world: World) -> None:
    create_deployment(
        TENANT,
        PROJECT,
        DeploymentRequest(name=NAME, model=NAME),
        "ada",
        None,
        deployments=world.deployments,
    )
    with pytest.raises(ConflictError):
        stop(world)


def test_no_rollout_is_taken_while_it_is_stopped(world: World) -> None:
    world.roll_out(1)
    world.roll_out(2)
    stop(world)
    with pytest.raises(ConflictError, match="Stopping"):
        world.request(1)
