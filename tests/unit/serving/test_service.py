"""What callers can ask of a deployment."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from controlplane.errors import (
    ConcurrentChangeError,
    IdempotencyKeyReusedError,
    InUseError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.requests import IdempotentRequest
from controlplane.serving.deployment_events import DeploymentDeletionRequested, RolloutRequested
from controlplane.serving.model import (
    Deployment,
    DeploymentStatus,
    Rollout,
    RolloutRequest,
    RolloutState,
)
from controlplane.serving.service import delete_deployment, request_rollout
from controlplane.serving.views import DeploymentView
from tests.fakes import Clock
from tests.unit.serving.world import NAME, PLACE, PROJECT, TENANT, World, revision


def delete(world: World, if_match: int | None = None) -> Deployment:
    return delete_deployment(*PLACE, "ada", if_match, deployments=world.deployments)


def request_once(world: World, number: int, key: str = "a" * 64) -> Rollout:
    moment = world.deployment.created_at
    once = IdempotentRequest(key, "body", moment + timedelta(hours=24))
    wanted = RolloutRequest(version=number)
    return request_rollout(
        *PLACE, wanted, "ada", once, 50, deployments=world.deployments, aliases=world.aliases
    )


def test_a_requested_rollout_waits_and_asks_for_an_execution(world: World, clock: Clock) -> None:
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(1)

    rollout = world.request(1)

    assert (rollout.state, rollout.requested_by) == (RolloutState.WAITING, "ada")
    assert world.rollout(rollout.rollout_id) == rollout
    (event,) = world.table.events_of(RolloutRequested)
    assert isinstance(event, RolloutRequested)
    assert (event.needs_execution, event.model_version) == (True, 1)


def test_a_newer_request_supersedes_the_one_that_waits(world: World) -> None:
    world.roll_out(1)
    world.roll_out(2)
    first = world.request(1)

    second = world.request(2)

    superseded = world.rollout(first.rollout_id)
    assert superseded.state is RolloutState.SUPERSEDED
    assert superseded.reason is not None
    assert superseded.reason.remedy
    assert world.deployment.waiting is not None
    assert world.deployment.waiting.rollout_id == second.rollout_id


def test_requests_of_one_moment_are_all_accepted_in_their_order(world: World) -> None:
    world.roll_out(1)
    world.roll_out(2)
    positions = []
    for number, key in ((1, "a" * 64), (2, "b" * 64), (1, "c" * 64)):
        request_once(world, number, key)
        positions.append(world.deployment.last_position)

    assert positions == sorted(set(positions))


def test_an_upload_after_a_request_wins_in_the_same_second(world: World) -> None:
    world.roll_out(1)
    requested = world.request(1)

    world.open(world.register(2))

    assert world.rollout(requested.rollout_id).state is RolloutState.SUPERSEDED


def test_an_upload_from_before_a_request_loses(world: World, clock: Clock) -> None:
    world.roll_out(1)
    late = world.register(2)
    clock.advance(1)
    requested = world.request(1)

    world.open(late)

    assert world.rollout(requested.rollout_id).state is RolloutState.RUNNING
    states = {r.model_version: r.state for r in world.table.rollouts.values()}
    assert states[2] is RolloutState.SUPERSEDED


def test_a_repeated_request_is_the_first_one(world: World) -> None:
    world.roll_out(1)

    assert request_once(world, 1) == request_once(world, 1)
    assert len(world.table.events_of(RolloutRequested)) == 1


def test_a_key_used_for_another_version_is_refused(world: World) -> None:
    world.roll_out(1)
    request_once(world, 1)

    with pytest.raises(IdempotencyKeyReusedError):
        request_once(world, 2)


def test_what_is_not_there_cannot_be_rolled_out(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.request(1)
    world.roll_out(1)
    with pytest.raises(NotFoundError):
        world.request(9)
    assert world.deployment.waiting is None


def test_two_requests_at_the_same_time_do_not_lose_one(world: World, clock: Clock) -> None:
    world.roll_out(1)

    def upload() -> None:
        world.open(world.register(2))

    world.table.interrupt = upload

    with pytest.raises(ConcurrentChangeError):
        world.request(1)
    assert world.deployment.active is not None


class TestDelete:
    def test_a_deployment_that_is_deleted_serves_no_more(self, world: World) -> None:
        world.roll_out(1)

        leaving = delete(world)

        assert leaving.status is DeploymentStatus.DELETING
        assert [r.name for r in world.deployment.retiring] == [revision(1)]
        (event,) = world.table.events_of(DeploymentDeletionRequested)
        assert isinstance(event, DeploymentDeletionRequested)
        assert (event.deleted_by, event.needs_execution) == ("ada", True)

    def test_deleting_twice_is_told_once(self, world: World) -> None:
        world.roll_out(1)
        delete(world)
        delete(world)

        assert len(world.table.events_of(DeploymentDeletionRequested)) == 1

    def test_one_that_rolls_out_or_waits_stays(self, world: World) -> None:
        world.start(world.register(1))
        with pytest.raises(InUseError) as refused:
            delete(world)
        assert refused.value.remedy
        assert world.deployment.status is DeploymentStatus.CREATING

    def test_another_state_than_the_callers_is_not_deleted(self, world: World) -> None:
        world.roll_out(1)

        with pytest.raises(PreconditionFailedError):
            delete(world, if_match=99)
        assert delete(world, if_match=world.deployment.version).deleting

    def test_an_unknown_one_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFoundError):
            delete(world)


class TestView:
    def view(self, world: World) -> DeploymentView:
        return DeploymentView.of(TENANT, PROJECT, world.deployment, "http://gateway:8080/")

    def test_its_endpoints_can_be_called_as_they_are(self, world: World) -> None:
        world.roll_out(1)

        shown = self.view(world)

        base = f"http://gateway:8080/serving/tenant-acme/{PROJECT}--{NAME}"
        assert shown.endpoints is not None
        assert shown.endpoints.v1 == f"{base}/v1/models/{NAME}:predict"
        assert shown.endpoints.v2 == f"{base}/v2/models/{NAME}/infer"
        assert shown.stable is not None
        assert (shown.stable.version, shown.stable.traffic_percent) == (1, 100)

    def test_it_shows_what_runs_what_waits_and_how_the_last_ended(
        self, world: World, clock: Clock
    ) -> None:
        world.fail(world.start(world.register(1)), "ModelLoadFailed")
        clock.advance(1)
        world.start(world.register(2))
        clock.advance(1)
        world.open(world.register(3))

        shown = self.view(world)

        assert shown.status is DeploymentStatus.CREATING
        assert shown.running is not None
        assert (shown.running.version, shown.running.state) == (2, RolloutState.RUNNING)
        assert shown.waiting is not None
        assert (shown.waiting.version, shown.waiting.state) == (3, RolloutState.WAITING)
        assert shown.last_rollout is not None
        assert shown.last_rollout.reason is not None
        assert shown.last_rollout.reason.code == "ModelLoadFailed"


def test_an_alias_names_the_version_that_it_names_now(world: World) -> None:
    world.roll_out(1)
    world.roll_out(2)
    world.aliases.versions = {"production": 1}

    rollout = request_rollout(
        *PLACE,
        RolloutRequest(alias="production"),
        "ada",
        None,
        50,
        deployments=world.deployments,
        aliases=world.aliases,
    )

    assert rollout.model_version == 1


def test_an_alias_that_names_nothing_is_not_found(world: World) -> None:
    world.roll_out(1)
    with pytest.raises(NotFoundError, match="production"):
        request_rollout(
            *PLACE,
            RolloutRequest(alias="production"),
            "ada",
            None,
            50,
            deployments=world.deployments,
            aliases=world.aliases,
        )


@pytest.mark.parametrize("body", [{}, {"version": 1, "alias": "production"}])
def test_a_request_names_a_version_or_an_alias(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RolloutRequest.model_validate(body)
