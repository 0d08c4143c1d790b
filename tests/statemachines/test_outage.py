"""The cluster is away for a while: rollouts wait for it."""

import json
from pathlib import Path

from local.demo.training import Training
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.running import RunningStack
from tests.waiting import eventually

DEFINITION = Path(__file__).parents[2] / "statemachines" / "model_rollout.asl.json"
MINUTE = 60
# AdvanceRollout reaches it as well; there an outage is no error, it ends the tick.
REACH_THE_CLUSTER = {"CheckRollout", "PrepareRevision", "FinishRollout", "RetireRevision"}


def test_a_rollout_outlasts_an_outage_of_the_cluster(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("outage")
    rollout = stack.executions("ModelRollout")
    stack.kill("kubernetes")
    try:
        version = project.publish("digits", training.first.file.read_bytes())
        running = project.running_rollout("digits", version)
        ((execution, _),) = rollout.started_by_project(project.name)
        eventually(
            lambda: "ClusterUnavailableError" in rollout.errors(execution),
            "the rollout to try again",
        )
    finally:
        steps = stack.up()
    assert "started kubernetes" in steps
    assert "started cloud" not in steps

    deployment = project.settled("digits", version)
    assert deployment["last_rollout"]["state"] == "Promoted", deployment
    assert deployment["last_rollout"]["rollout"] == running
    assert deployment["status"] == "Ready"


def test_the_retries_of_every_step_that_needs_the_cluster_span_more_than_a_minute() -> None:
    states = json.loads(DEFINITION.read_text())["States"]
    spans = {name: _span(state, "ClusterUnavailableError") for name, state in states.items()}
    assert {name for name, span in spans.items() if span} == REACH_THE_CLUSTER
    assert all(spans[name] > MINUTE for name in REACH_THE_CLUSTER), spans


def _span(state: Json, error: str) -> float:
    """Seconds of waiting before the state gives the error up."""
    for retry in state.get("Retry", []):
        if error in retry["ErrorEquals"]:
            waits = (
                min(retry["IntervalSeconds"] * retry["BackoffRate"] ** n, retry["MaxDelaySeconds"])
                for n in range(retry["MaxAttempts"])
            )
            return float(sum(waits)) / (2 if retry.get("JitterStrategy") == "FULL" else 1)
    return 0
