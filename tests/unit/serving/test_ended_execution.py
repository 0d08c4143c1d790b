"""Executions that died without a word, and deployments on their way out, leave nothing behind."""

import pytest

from controlplane.errors import ConcurrentChangeError
from controlplane.serving.deployment_events import (
    DeploymentDeleted,
    RetirementPostponed,
    RolloutRequested,
)
from controlplane.serving.model import DeploymentStatus, RolloutState
from controlplane.serving.opening import Action
from controlplane.serving.service import delete_deployment
from tests.fakes import Clock
from tests.unit.serving.world import GRACE, PLACE, World, revision

GRACE_SECONDS = GRACE.total_seconds()


def present(world: World) -> list[str]:
    return sorted(name for _, name in world.cluster.revisions)


def leave(world: World) -> None:
    delete_deployment(*PLACE, "ada", None, deployments=world.deployments)


class TestEndedExecution:
    """An execution that died without a word leaves nothing undone."""

    def test_its_rollout_has_failed_and_asks_for_what_is_left(self, world: World) -> None:
        reference = world.start(world.register(1))
        world.apply(reference)

        world.report_dead(reference.execution, "TIMED_OUT")

        assert world.last.state is RolloutState.FAILED
        assert world.last.reason is not None
        assert world.last.reason.code == "ExecutionEnded"
        assert "TIMED_OUT" in world.last.reason.message
        assert [event.needs_execution for event in world.ended()] == [True]
        assert world.open()[0].action is Action.RETIRE

    def test_a_report_about_another_execution_changes_nothing(self, world: World) -> None:
        world.start(world.register(1))
        before = world.deployment

        world.report_dead("execution-9")

        assert world.deployment == before

    def test_a_repeated_report_is_told_once(self, world: World) -> None:
        reference = world.start(world.register(1))
        world.report_dead(reference.execution)
        world.report_dead(reference.execution)

        assert len(world.ended()) == 1

    def test_a_retirement_that_was_given_up_is_asked_for_again(self, world: World) -> None:
        world.roll_out(1)
        reference = world.roll_out(2)

        world.report_dead(reference.execution)

        (event,) = world.table.events_of(RetirementPostponed)
        assert isinstance(event, RetirementPostponed)
        assert event.needs_execution
        assert world.open()[0].action is Action.RETIRE

    def test_a_rollout_that_nobody_took_up_is_asked_for_again(self, world: World) -> None:
        """The execution that a request started died before it could open the rollout."""
        world.roll_out(1)
        requested = world.request(1)

        world.report_dead(world.next_execution())

        first, second = world.table.events_of(RolloutRequested)
        assert isinstance(second, RolloutRequested)
        assert (second.rollout_id, second.needs_execution) == (requested.rollout_id, True)
        assert first.event_id != second.event_id
        opened, _ = world.open()
        assert (opened.action, opened.rollout_id) == (Action.ROLL_OUT, requested.rollout_id)

    def test_a_version_whose_first_execution_died_is_rolled_out_by_a_later_one(
        self, world: World
    ) -> None:
        registered = world.register(1)

        world.report_dead(world.next_execution(), registered=registered)
        world.report_dead(world.next_execution(), registered=registered)

        requests = world.table.events_of(RolloutRequested)
        assert all(
            isinstance(event, RolloutRequested) and event.needs_execution and event.after_failure
            for event in requests
        )
        assert world.open()[0].action is Action.ROLL_OUT
        assert world.deployment.active is not None
        assert world.deployment.active.model_version == 1

    def test_a_deleted_version_whose_first_execution_died_leaves_nothing(
        self, world: World
    ) -> None:
        registered = world.register(1)
        world.table.versions.clear()

        world.report_dead(world.next_execution(), registered=registered)

        assert (world.table.deployments, world.table.events_of(RolloutRequested)) == ({}, [])

    def test_a_deletion_that_was_given_up_is_asked_for_again(self, world: World) -> None:
        world.roll_out(1)
        leave(world)

        world.report_dead(world.next_execution())

        assert len(world.table.events_of(RetirementPostponed)) == 1

    def test_what_is_not_there_needs_nothing(self, world: World) -> None:
        world.report_dead("execution-1")
        assert world.table.events == []


class TestLeaving:
    """A deployment that is deleted goes with everything it has in the cluster."""

    def test_its_revisions_and_its_route_go_and_then_itself(self, world: World) -> None:
        world.roll_out(1)
        world.roll_out(2)
        leave(world)
        assert world.deployment.status is DeploymentStatus.DELETING

        assert world.open()[0].action is Action.RETIRE
        assert world.retire() is None

        assert (present(world), world.weights) == ([], None)
        assert world.table.deployments == {}
        assert len(world.table.events_of(DeploymentDeleted)) == 1
        assert [version.served_by for version in world.table.versions.values()] == [(), ()]
        assert world.retire() is None

    def test_one_that_never_served_goes_too(self, world: World) -> None:
        reference = world.start(world.register(1))
        world.fail(reference)
        world.retire()
        leave(world)

        assert world.open()[0].action is Action.RETIRE
        assert world.retire() is None
        assert world.table.deployments == {}

    def test_a_version_that_comes_meanwhile_keeps_it(self, world: World, clock: Clock) -> None:
        world.roll_out(1)
        leave(world)
        clock.advance(1)
        reference = world.start(world.register(2))

        world.retire()
        world.apply(reference)
        world.shift(reference)
        world.finish(reference)

        assert world.deployment.status is DeploymentStatus.READY
        assert world.weights == {revision(2): 100}
        assert world.table.events_of(DeploymentDeleted) == []

    def test_a_rollout_that_is_asked_for_at_the_last_moment_keeps_it(self, world: World) -> None:
        world.fail(world.start(world.register(1)))
        world.retire()
        leave(world)

        def ask_again() -> None:
            world.request(1)

        world.table.interrupt = ask_again
        with pytest.raises(ConcurrentChangeError):
            world.retire()
        assert world.retire() is None
        assert world.open()[0].action is Action.ROLL_OUT
