"""Revisions that serve no longer go, also when the execution that was to see to it died."""

from http import HTTPStatus

from local.demo.training import Training
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import Project
from tests.stack.running import RunningStack
from tests.waiting import eventually


def test_revisions_go_after_their_execution_died_and_with_their_deployment(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("gone")
    project.serve("digits", training.first.file.read_bytes())
    project.serve("digits", training.second.file.read_bytes())
    rollout = stack.executions("ModelRollout")
    ((execution, _), _) = rollout.started_by_project(project.name)
    eventually(lambda: "WaitForRetirement" in rollout.states(execution), "the grace to begin")

    rollout.abort(execution)

    asked_again = wait_for_next_attempt(stack, project, "RetirementPostponed")
    rollout.start(at_once(asked_again))
    project.wait_until_gone("digits", 1)
    found = project.deployment("digits")
    assert found is not None
    assert (found["status"], found["stable"]["version"]) == ("Ready", 2)
    _assert_deletion_leaves_the_versions(project)

    served = project.serve("digits", training.first.file.read_bytes())
    assert served["stable"]["version"] == 3


def test_a_rollout_whose_execution_died_before_its_first_step_is_not_lost(
    stack: RunningStack, new_project: NewProject
) -> None:
    project = new_project("unopened")
    rollout = stack.executions("ModelRollout")
    with stack.throttled("OpenRollout"):
        project.inbox("digits").put("model.keras", b"a model of another kind")
        asked_again = wait_for_next_attempt(stack, project, "RolloutRequested")

    found = project.deployment("digits")
    assert found is not None
    assert (found["status"], found["waiting"]["version"]) == ("Creating", 1)
    waiting = project.rollout("digits", found["waiting"]["rollout"])
    assert waiting["state"] == "Waiting"
    rollout.start(at_once(asked_again))
    ended = project.ended_rollout("digits", waiting["rollout"])
    assert (ended["state"], ended["reason"]["code"]) == ("Failed", "NoSupportingRuntime")


def wait_for_next_attempt(stack: RunningStack, project: Project, kind: str) -> Json:
    """The event that started an execution which waits a while, because one died before it."""
    rollout = stack.executions("ModelRollout")

    def look() -> Json | None:
        started = rollout.started_by_project(project.name)
        waiting = (
            event
            for execution, event in started
            if event["detail-type"] == kind and "WaitAfterFailure" in rollout.states(execution)
        )
        return next(waiting, None)

    return eventually(look, f"the next execution, started by {kind}")


def at_once(event: Json) -> Json:
    """The same event for an execution that does not wait."""
    detail = event["detail"]
    return event | {"detail": detail | {"data": detail["data"] | {"after_failure": False}}}


def _assert_deletion_leaves_the_versions(project: Project) -> None:
    path = project.path("/deployments/digits")
    assert project.caller.call("DELETE", path).status == HTTPStatus.ACCEPTED
    eventually(lambda: project.deployment("digits") is None, "the deployment to go")
    project.wait_until_gone("digits", 2)
    assert project.route("digits") is None
    assert project.roll_out("digits", 2).status == HTTPStatus.NOT_FOUND
    assert project.versions("digits") == [2, 1]
    assert project.version("digits", 2)["served_by"] == []
    # The second is the champion still; the first has nothing that holds it.
    version = project.path("/models/digits/versions/1")
    assert project.caller.call("DELETE", version).status == HTTPStatus.NO_CONTENT
