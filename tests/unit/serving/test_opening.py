"""What an event asks of a deployment, and what there is to do."""

from dataclasses import replace

import pytest

from controlplane.errors import ConcurrentChangeError
from controlplane.serving.administration import put_serving_policy
from controlplane.serving.arrivals import RegisteredVersion
from controlplane.serving.deployment_events import RolloutEnded, RolloutRequested, RolloutStarted
from controlplane.serving.model import RolloutState
from controlplane.serving.opening import Action
from controlplane.serving.project_policy import ServingRules
from controlplane.serving.settings import Autoscaling, DeploymentSettings
from tests.fakes import Clock
from tests.unit.serving.world import NAME, PLACE, PROJECT, TENANT, World


def done(_: object) -> None:
    """What an interruption came to is seen in the world."""


def test_the_first_version_makes_the_deployment_and_starts(world: World) -> None:
    opened, _ = world.open(world.register(1))

    assert opened.action is Action.ROLL_OUT
    found = world.deployment
    assert (found.name, found.model) == (NAME, NAME)
    assert found.active is not None
    assert found.active.rollout_id == opened.rollout_id
    assert world.rollout(found.active.rollout_id).state is RolloutState.RUNNING
    assert world.table.versions[TENANT, PROJECT, NAME, 1].served_by == (NAME,)
    assert [type(event) for event in world.serving_events()] == [RolloutStarted]


def test_the_same_execution_may_open_again(world: World) -> None:
    registered = world.register(1)
    first, reference = world.open(registered)

    again, _ = world.open(registered, reference.execution)

    assert again == first
    assert len(world.serving_events()) == 1


def test_the_same_event_in_another_execution_has_nothing_to_do(world: World) -> None:
    registered = world.register(1)
    world.open(registered)

    again, _ = world.open(registered)

    assert again.action is Action.NOTHING
    assert len(world.table.rollouts) == 1
    assert len(world.serving_events()) == 1


def test_the_same_event_after_the_end_does_not_roll_out_again(world: World) -> None:
    registered = world.register(1)
    reference = world.start(registered)
    world.fail(reference)
    world.retire()

    assert world.open(registered)[0].action is Action.NOTHING
    assert world.deployment.active is None


def test_a_version_that_comes_while_one_rolls_out_waits(world: World) -> None:
    world.start(world.register(1))

    opened, _ = world.open(world.register(2))

    assert opened.action is Action.NOTHING
    assert world.deployment.waiting is not None
    assert world.rollout(world.deployment.waiting.rollout_id).state is RolloutState.WAITING
    (event,) = world.table.events_of(RolloutRequested)
    assert isinstance(event, RolloutRequested)
    assert not event.needs_execution


def test_the_one_between_is_superseded_and_told_why(world: World, clock: Clock) -> None:
    world.start(world.register(1))
    world.open(world.register(2))
    between = world.deployment.waiting
    clock.advance(1)
    world.open(world.register(3))

    assert between is not None
    superseded = world.rollout(between.rollout_id)
    assert superseded.state is RolloutState.SUPERSEDED
    assert superseded.reason is not None
    assert "version 3" in superseded.reason.message
    assert superseded.reason.remedy
    assert world.table.versions[TENANT, PROJECT, NAME, 2].served_by == ()
    event = world.serving_events()[-1]
    assert isinstance(event, RolloutRequested)
    assert event.superseded == between.rollout_id
    assert_announced_once(world, between.rollout_id)


def test_an_older_version_that_comes_late_is_superseded(world: World) -> None:
    older, newer = world.register(1), world.register(2)
    world.roll_out(3)
    late = [world.open(event)[0] for event in (newer, older)]

    assert [opened.action for opened in late] == [Action.NOTHING, Action.NOTHING]
    assert [event.state for event in world.ended()][-2:] == [RolloutState.SUPERSEDED] * 2
    assert len({event.rollout_id for event in world.ended()}) == len(world.ended()) == 3
    assert not any(event.needs_execution for event in world.ended())
    assert world.deployment.stable is not None
    assert world.deployment.stable.model_version == 3


def test_what_waits_starts_when_an_older_one_comes_late(world: World, clock: Clock) -> None:
    first = world.start(world.register(1))
    late = world.register(2)
    clock.advance(1)
    world.open(world.register(3))
    world.fail(first)

    opened, _ = world.open(late)

    assert opened.action is Action.ROLL_OUT
    active = world.deployment.active
    assert active is not None
    assert active.model_version == 3
    started = world.serving_events()[-1]
    assert isinstance(started, RolloutStarted)
    assert started.superseded is not None
    assert world.rollout(started.superseded).state is RolloutState.SUPERSEDED
    assert_announced_once(world, started.superseded)


def test_the_end_of_one_rollout_asks_for_the_next(world: World, clock: Clock) -> None:
    first = world.start(world.register(1))
    clock.advance(1)
    world.open(world.register(2))
    world.apply(first)
    world.finish(first)
    (ended,) = world.table.events_of(RolloutEnded)
    assert isinstance(ended, RolloutEnded)
    assert ended.needs_execution

    opened, _ = world.open()

    assert opened.action is Action.ROLL_OUT
    assert world.deployment.waiting is None


def test_an_execution_that_only_finds_leftovers_retires_them(world: World) -> None:
    world.roll_out(1)
    world.roll_out(2)

    assert world.open()[0].action is Action.RETIRE


def test_an_event_about_nothing_is_no_error(world: World) -> None:
    assert world.open()[0].action is Action.NOTHING


def test_two_executions_at_the_same_time_start_one_rollout(world: World) -> None:
    registered = world.register(1)
    world.table.interrupt = lambda: done(world.start(registered))

    with pytest.raises(ConcurrentChangeError):
        world.open(registered)
    assert world.open(registered)[0].action is Action.NOTHING
    assert len(world.table.rollouts) == 1


def test_a_version_that_was_deleted_before_its_event_came_is_not_held(world: World) -> None:
    registered = world.register(1)
    world.table.versions.clear()

    assert world.open(registered)[0].action is Action.NOTHING
    assert world.table.deployments == {}


def test_a_models_first_version_makes_a_deployment_as_the_projects_policy_says(
    world: World,
) -> None:
    settings = DeploymentSettings(autoscaling=Autoscaling(min_replicas=2, max_replicas=4))
    put_policy(world, ServingRules(settings=settings))

    world.open(world.register(1))

    assert world.deployment.settings == settings


def test_a_later_policy_leaves_a_deployments_settings_alone(world: World) -> None:
    world.roll_out(1)
    larger = DeploymentSettings(autoscaling=Autoscaling(min_replicas=2, max_replicas=4))
    put_policy(world, ServingRules(settings=larger))

    world.open(world.register(2))

    assert world.deployment.settings == DeploymentSettings()


def test_a_version_waits_for_a_request_where_the_project_rolls_nothing_out_by_itself(
    world: World,
) -> None:
    put_policy(world, ServingRules(auto_deploy=False))

    opened, _ = world.open(world.register(1))

    assert opened.action is Action.NOTHING
    assert world.table.deployments == {}


def test_a_rollout_that_was_asked_for_starts_whatever_the_policy_says(world: World) -> None:
    world.roll_out(1)
    put_policy(world, ServingRules(auto_deploy=False))
    world.register(2)
    world.request(2)

    opened, _ = world.open()

    assert opened.action is Action.ROLL_OUT


def test_a_request_announces_the_end_of_the_one_that_it_supersedes(world: World) -> None:
    world.roll_out(1)
    older = world.request(1)

    world.request(1)

    assert_announced_once(world, older.rollout_id)


def test_a_version_queued_again_announces_the_end_of_the_one_that_it_supersedes(
    world: World, clock: Clock
) -> None:
    world.start(world.register(1))
    world.open(world.register(2))
    between = world.deployment.waiting
    clock.advance(1)

    world.report_dead(world.next_execution(), registered=world.register(3))

    assert between is not None
    assert_announced_once(world, between.rollout_id)


def test_a_version_of_another_model_leaves_the_deployment_of_its_name_alone(world: World) -> None:
    """A deployment may bear the name of a model that it does not serve."""
    registered = other_model_is_served(world)
    before = world.deployment

    assert world.open(registered)[0].action is Action.NOTHING
    assert world.deployment == before


def test_a_dead_execution_does_not_queue_a_version_of_another_model(world: World) -> None:
    registered = other_model_is_served(world)
    before = world.deployment

    world.report_dead(world.next_execution(), registered=registered)

    assert world.deployment == before


def test_an_approval_during_the_check_that_refuses_the_version_is_not_lost(world: World) -> None:
    """The check has read that nobody has approved, and has not yet said so."""
    registered = world.register(1)
    checked = world.start(registered)

    world.open(approved(registered))
    world.fail(checked, "NotApproved")

    opened, _ = world.open()
    assert opened.action is Action.ROLL_OUT
    assert opened.rollout_id != checked.rollout_id


def test_an_approval_after_the_check_rolls_nothing_out_twice(world: World) -> None:
    registered = world.register(1)
    reference = world.start(registered)
    world.check(reference)

    assert world.open(approved(registered))[0].action is Action.NOTHING
    assert world.deployment.waiting is None


def approved(registered: RegisteredVersion) -> RegisteredVersion:
    """What the event of the approval says, a moment later."""
    return replace(registered, position=f"{registered.position}~", occasion="an-event")


def other_model_is_served(world: World) -> RegisteredVersion:
    """A version of model digits; the deployment digits serves the model letters."""
    registered = world.register(1)
    world.roll_out(2)
    for number in (1, 2):
        version = world.table.versions[*PLACE, number]
        world.table.versions[TENANT, PROJECT, "letters", number] = version
    found = world.table.deployments[PLACE]
    world.table.deployments[PLACE] = found.with_changes(model="letters", last_position="")
    return registered


def assert_announced_once(world: World, rollout_id: str) -> None:
    (event,) = [event for event in world.ended() if event.rollout_id == rollout_id]
    assert (event.state, event.reason) == (RolloutState.SUPERSEDED, "Superseded")
    assert (event.model, event.needs_execution) == (NAME, False)


def put_policy(world: World, rules: ServingRules) -> None:
    put_serving_policy(TENANT, PROJECT, rules, "root", None, policies=world.policies)
