"""No request before the verdict: judged on probes or on copies of live requests, and then all of them or none."""

import json
from http import HTTPStatus

from local.demo.training import Training
from local.faults import Faults
from local.serving.faults import Fault
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import Project
from tests.stack.running import RunningStack
from tests.statemachines.test_canary import evidence, policy, served, weights


def blue_green(judged_on: str) -> Json:
    strategy = {"type": "BlueGreen", "judged_on": judged_on, "bake_seconds": 2}
    return policy(strategy=strategy)


def set_blue_green(project: Project, training: Training, judged_on: str) -> None:
    rows = [list(map(float, row)) for row in training.rows[:1]]
    probe = {"path": "/v1/models/digits:predict", "body": json.dumps({"instances": rows})}
    answer = project.caller.call(
        "PUT",
        project.path("/deployments/digits/settings"),
        {"rollout": blue_green(judged_on), "probe": probe},
    )
    assert answer.status == HTTPStatus.OK, answer


def shares(project: Project, rollout: str) -> set[int]:
    """What of the requests the canary had at any tick, by the evidence."""
    return {tick["percent"] for tick in evidence(project, rollout)["ticks"]}


def test_all_requests_or_none_by_probes_and_by_copies(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("bluegreen", tenant="globex")
    faults = Faults(stack.settings.kubeconfig)
    broken = project.revision_name("digits", 3)
    faults.set(project.namespace, broken, Fault(errorRate=0.9))
    try:
        with served(training, project) as traffic:
            set_blue_green(project, training, "Probes")
            good = project.publish("digits", training.second.file.read_bytes())
            rollout = project.running_rollout("digits", good)
            ended = project.ended_rollout("digits", rollout)
            assert (ended["state"], ended["reason"]) == ("Promoted", None), ended
            assert weights(project) == {good: 100}
            assert shares(project, rollout) == {0, 100}

            bad = project.publish("digits", training.first.file.read_bytes())
            rollout = project.running_rollout("digits", bad)
            ended = project.ended_rollout("digits", rollout)
            assert ended["state"] == "RolledBack", ended
            assert ended["reason"]["code"] == "ErrorRateHigher", ended
            assert weights(project) == {good: 100}
            assert shares(project, rollout) == {0}

            set_blue_green(project, training, "Mirror")
            copied = project.roll_out("digits", 1).body["rollout"]
            ended = project.ended_rollout("digits", copied)
            assert (ended["state"], ended["reason"]) == ("Promoted", None), ended
            assert weights(project) == {1: 100}
            assert shares(project, copied) == {0, 100}
    finally:
        faults.clear(project.namespace, broken)
    assert traffic.answers.failures == []
