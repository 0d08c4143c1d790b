"""Rollouts that are judged on live traffic: promoted step by step, rolled back, steered by hand, and gone back on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from local.demo.traffic import LiveTraffic
from local.demo.training import Training
from local.faults import Faults
from local.serving.faults import Fault
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import Project
from tests.stack.running import RunningStack
from tests.stack.watching import shares_of
from tests.waiting import eventually

STEPS = [{"percent": 10, "bake_seconds": 2}, {"percent": 50, "bake_seconds": 2}]
# Sure enough after some seconds of a small load.
ANALYSIS = {
    "error_rate": {"max_increase": 0.25},
    "latency": None,
    "min_requests": 10,
    "confidence": 0.8,
}


def policy(steps: list[Json] | None = None, **changes: object) -> Json:
    strategy = {"type": "Canary", "steps": steps or STEPS}
    return {
        "strategy": strategy,
        "analysis": ANALYSIS,
        "tick_seconds": 2,
        "keep_previous_seconds": 600,
        "termination_wait_seconds": 1,
    } | changes


def set_policy(project: Project, wanted: Json) -> None:
    path = project.path("/deployments/digits/settings")
    answer = project.caller.call("PUT", path, {"rollout": wanted})
    assert answer.status == HTTPStatus.OK, answer


def tell(project: Project, rollout: str, command: str) -> None:
    path = project.path(f"/deployments/digits/rollouts/{rollout}/{command}")
    answer = project.caller.call("POST", path)
    assert answer.status == HTTPStatus.OK, answer


def wait_for_step(project: Project, rollout: str, percent: int) -> Json:
    """The rollout when the canary's share is in effect."""

    def look() -> Json | None:
        found = project.rollout("digits", rollout)
        progress = found["progress"]
        assert found["state"] in ("Waiting", "Running"), found
        return found if progress and progress["percent"] == percent and progress["since"] else None

    return eventually(look, f"the canary to have {percent} %")


def weights(project: Project) -> dict[int, int]:
    """The share of each version by the route's own rule, less those that get nothing."""
    route = project.route("digits")
    assert route is not None
    return shares_of(route)


def evidence(project: Project, rollout: str) -> Json:
    key = f"evidence/tenant-{project.tenant}/{project.name}/digits/{rollout}.json"
    stack = project.stack
    eventually(lambda: stack.stored(key), "the evidence to be written")
    stored = stack.aws("s3").get_object(Bucket=stack.described["models_bucket"], Key=key)
    bundle: Json = json.loads(stored["Body"].read())
    return bundle


def output_of(project: Project, version: int) -> Json:
    """What the execution tells that the version's registration started."""
    executions = project.stack.executions("ModelRollout")
    arn = next(
        arn
        for arn, event in executions.started_by_project(project.name)
        if event["detail-type"] == "ModelVersionRegistered"
        and event["detail"]["data"]["model_version"] == version
    )
    output: Json = executions.ended(arn)["output"]
    return output


@contextmanager
def served(training: Training, project: Project) -> Iterator[LiveTraffic]:
    """Version 1 serves and is asked all the time; both versions give good answers."""
    first = project.serve("digits", training.first.file.read_bytes())
    models = {"first": training.first.predictions, "second": training.second.predictions}
    with LiveTraffic(first["endpoints"]["v2"], training.rows, models) as traffic:
        yield traffic


def test_a_good_version_goes_up_in_steps_and_can_be_gone_back_on(
    training: Training, new_project: NewProject
) -> None:
    project = new_project("canary", tenant="globex")
    with served(training, project) as traffic:
        set_policy(project, policy())
        version = project.publish("digits", training.second.file.read_bytes())
        rollout = project.running_rollout("digits", version)
        wait_for_step(project, rollout, 10)
        assert weights(project) == {1: 90, version: 10}
        ended = project.ended_rollout("digits", rollout)
        assert (ended["state"], ended["reason"]) == ("Promoted", None), ended
        assert weights(project) == {version: 100}

        bundle = evidence(project, rollout)
        shares = [tick["percent"] for tick in bundle["ticks"]]
        assert shares == sorted(shares)
        assert set(shares) == {0, 10, 50, 100}
        assert any(tick["verdict"] == "Pass" for tick in bundle["ticks"])

        asked = project.caller.call("POST", project.path("/deployments/digits/rollback"))
        assert asked.status == HTTPStatus.ACCEPTED, asked
        back = project.ended_rollout("digits", asked.body["rollout"])
        assert (back["state"], back["kind"]) == ("Promoted", "Rollback"), back
        assert weights(project) == {1: 100}
    assert traffic.answers.failures == []


def test_a_version_that_answers_errors_is_rolled_back_within_seconds(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("bad", tenant="globex")
    faults = Faults(stack.settings.kubeconfig)
    broken = project.revision_name("digits", 2)
    faults.set(project.namespace, broken, Fault(errorRate=0.9))
    try:
        with served(training, project):
            set_policy(project, policy())
            version = project.publish("digits", training.second.file.read_bytes())
            rollout = project.running_rollout("digits", version)
            ended = project.ended_rollout("digits", rollout)
    finally:
        faults.clear(project.namespace, broken)

    assert (ended["state"], ended["reason"]["code"]) == ("RolledBack", "ErrorRateHigher"), ended
    assert ended["rolled_back_seconds"] <= 30
    assert weights(project) == {1: 100}
    found = project.deployment("digits")
    assert found is not None
    assert (found["status"], found["stable"]["version"]) == ("Ready", 1)
    bundle = evidence(project, rollout)
    assert "Fail" in [tick["verdict"] for tick in bundle["ticks"]]
    project.wait_until_gone("digits", version)
    assert output_of(project, version) == {
        "rollout": rollout,
        "version": version,
        "state": "RolledBack",
        "reason": "ErrorRateHigher",
        "rolled_back_seconds": ended["rolled_back_seconds"],
    }


def test_a_rollout_is_steered_by_hand_without_waiting_for_its_tick(
    training: Training, new_project: NewProject
) -> None:
    project = new_project("steered", tenant="globex")
    with served(training, project) as traffic:
        slow = [{"percent": 20, "bake_seconds": 3600}]
        set_policy(project, policy(slow, tick_seconds=120))
        version = project.publish("digits", training.second.file.read_bytes())
        first = project.running_rollout("digits", version)
        wait_for_step(project, first, 20)
        tell(project, first, "pause")
        eventually(
            lambda: project.rollout("digits", first)["progress"]["paused"], "the pause to be seen"
        )
        tell(project, first, "abort")
        aborted = project.ended_rollout("digits", first)
        assert (aborted["state"], aborted["reason"]["code"]) == ("Aborted", "Aborted")
        assert weights(project) == {1: 100}

        second = project.roll_out("digits", version).body["rollout"]
        wait_for_step(project, second, 20)
        tell(project, second, "promote")
        assert project.ended_rollout("digits", second)["state"] == "Promoted"
        assert weights(project) == {version: 100}
    assert traffic.answers.failures == []
