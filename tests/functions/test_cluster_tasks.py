"""The tasks of ModelRollout that reach the cluster, against a real Kubernetes API over TLS."""

import json
from datetime import timedelta

import pytest

from controlplane.errors import (
    ConcurrentChangeError,
    RolloutFailedError,
    RolloutTimedOutError,
)
from local.bench.wire import Call, Wire
from tests.functions.cloud import Cloud
from tests.functions.cluster import DEPLOYMENTS, ROUTES
from tests.functions.container import SetClock
from tests.functions.samples import on_the_bus
from tests.functions.stage import Stage
from tests.local.kubernetes_api.running_server import RunningServer

ROUTE = "vision--digits"
V1, V2 = f"{ROUTE}--v1", f"{ROUTE}--v2"


def test_apply_revision_writes_the_inference_service_as_headrace(stage: Stage) -> None:
    stage.run("apply_revision")

    service = stage.cluster.service(V1)
    assert [m["manager"] for m in service["metadata"]["managedFields"]] == ["headrace"]
    assert service["metadata"]["managedFields"][0]["operation"] == "Apply"
    labels = service["metadata"]["labels"]
    assert labels["headrace.dev/tenant"] == stage.scenario.tenant
    assert labels["headrace.dev/project"] == "vision"
    assert labels["headrace.dev/deployment"] == "digits"
    assert labels["headrace.dev/version"] == "1"
    assert labels["networking.kserve.io/visibility"] == "cluster-local"
    annotations = service["metadata"]["annotations"]
    assert annotations["serving.kserve.io/deploymentMode"] == "Standard"
    model = service["spec"]["predictor"]["model"]
    version = stage.scenario.call("GET", "/projects/vision/models/digits/versions/1").json
    assert model["storageUri"] == version["uri"]
    assert model["runtime"] == "kserve-sklearnserver"
    assert model["args"] == ["--model_name=digits"]
    assert "canaryTrafficPercent" not in service["spec"]["predictor"]


def test_apply_revision_writes_a_route_without_traffic(stage: Stage) -> None:
    stage.run("apply_revision")

    route = stage.cluster.find(ROUTES, ROUTE)
    assert [m["manager"] for m in route["metadata"]["managedFields"]] == ["headrace"]
    [rule] = route["spec"]["rules"]
    namespace = stage.cluster.namespace
    assert rule["matches"][0]["path"]["value"] == f"/serving/{namespace}/{ROUTE}"
    [backend] = rule["backendRefs"]
    assert (backend["name"], backend["weight"]) == (f"{V1}-predictor", 0)
    [header] = backend["filters"][0]["requestHeaderModifier"]["set"]
    assert header == {"name": "x-headrace-revision", "value": V1}
    [parent] = route["spec"]["parentRefs"]
    assert (parent["namespace"], parent["name"]) == ("headrace-system", "headrace")


def test_apply_revision_repeated_changes_nothing(stage: Stage) -> None:
    stage.run("apply_revision")
    before = stage.cluster.service(V1), stage.cluster.find(ROUTES, ROUTE)

    stage.run("apply_revision")

    assert (stage.cluster.service(V1), stage.cluster.find(ROUTES, ROUTE)) == before


def test_apply_revision_takes_back_what_somebody_else_changed(
    stage: Stage, server: RunningServer
) -> None:
    stage.run("apply_revision")
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{stage.cluster.namespace}/inferenceservices/{V1}"
    change = {"spec": {"predictor": {"minReplicas": 7}}}
    assert server.call("PATCH", path, change, media="application/merge-patch+json").code == 200

    stage.run("apply_revision")

    assert stage.cluster.service(V1)["spec"]["predictor"]["minReplicas"] == 1


def test_apply_revision_leaves_the_traffic_of_a_deployment_that_serves(stage: Stage) -> None:
    stage.promote_first()
    second = stage.open(2)

    stage.run("apply_revision", second)

    assert stage.cluster.service(V2)
    assert stage.cluster.weights(ROUTE) == {f"{V1}-predictor": 100}


def test_revision_is_ready_only_when_deployment_and_endpoints_say_so(stage: Stage) -> None:
    def state() -> str:
        return str(stage.run("check_revision")["state"])

    assert state() == "Missing"
    stage.run("apply_revision")
    assert state() == "Progressing"
    stage.cluster.create_predictor(V1)
    assert state() == "Progressing"
    stage.cluster.roll_out_predictor(V1, observedGeneration=0)
    assert state() == "Progressing"
    stage.cluster.roll_out_predictor(V1, availableReplicas=0)
    assert state() == "Progressing"
    stage.cluster.roll_out_predictor(V1)
    assert state() == "Progressing"
    stage.cluster.set_endpoint(V1, ready=False)
    assert state() == "Progressing"
    stage.cluster.set_endpoint(V1, ready=True)
    assert state() == "Ready"


def test_model_that_cannot_be_loaded_fails_with_kserves_reason(stage: Stage) -> None:
    stage.run("apply_revision")
    status = {
        "transitionStatus": "BlockedByFailedLoad",
        "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "bad pickle", "exitCode": 1},
    }
    stage.cluster.set_model_status(V1, status)

    with pytest.raises(RolloutFailedError) as failed:
        stage.run("check_revision")

    told = json.loads(str(failed.value))
    assert (told["code"], told["message"]) == ("ModelLoadFailed", "bad pickle")
    assert told["remedy"]


def test_revision_not_ready_by_its_deadline_times_out(stage: Stage, later: SetClock) -> None:
    stage.run("apply_revision")

    later(timedelta(minutes=31))

    with pytest.raises(RolloutTimedOutError) as timed_out:
        stage.run("check_revision")
    assert json.loads(str(timed_out.value))["code"] == "DeadlineExceeded"


def test_revision_ready_after_its_deadline_is_ready(stage: Stage, later: SetClock) -> None:
    stage.run("apply_revision")
    stage.ready(V1)

    later(timedelta(minutes=31))

    assert stage.run("check_revision")["state"] == "Ready"


def test_shift_traffic_is_one_write_that_gives_all_to_the_revision(stage: Stage) -> None:
    stage.promote_first()
    second = stage.open(2)
    stage.run("apply_revision", second)

    stage.run("shift_traffic", second)

    assert stage.cluster.weights(ROUTE) == {f"{V2}-predictor": 100}
    route = stage.cluster.find(ROUTES, ROUTE)
    assert route["spec"]["parentRefs"]
    assert route["spec"]["rules"][0]["matches"]


def test_previous_revision_goes_after_its_grace_and_is_free_then(
    stage: Stage, later: SetClock
) -> None:
    stage.promote_first()
    second = stage.open(2)
    for task in ("apply_revision", "shift_traffic", "finish_rollout"):
        stage.run(task, second)

    assert 0 < stage.run("retire_revision", second)["wait_seconds"] <= 301
    assert stage.cluster.service(V1)
    later(timedelta(seconds=301))
    assert stage.run("retire_revision", second)["wait_seconds"] == 0

    assert not stage.cluster.service(V1)
    assert stage.cluster.service(V2)
    version = "/projects/vision/models/digits/versions/1"
    assert stage.scenario.call("GET", version).json["served_by"] == []
    assert stage.scenario.call("DELETE", version).status == 204


def test_revision_taken_up_while_it_retires_is_not_deleted(
    stage: Stage, wire: Wire, later: SetClock
) -> None:
    """Between the last look at the deployment and the deletion somebody applies the object again."""
    stage.promote_first()
    second = stage.open(2)
    for task in ("apply_revision", "shift_traffic", "finish_rollout"):
        stage.run(task, second)
    later(timedelta(seconds=301))
    looks: list[str] = []

    def take_up(made: Call) -> None:
        if made.action == "BatchGetItem":
            looks.append(made.action)
            if len(looks) == 2:
                stage.cluster.touch(V1)

    wire.before = take_up
    with pytest.raises(ConcurrentChangeError):
        stage.run("retire_revision", second)
    wire.before = None

    assert stage.cluster.service(V1)
    assert stage.run("retire_revision", second)["wait_seconds"] == 0
    assert not stage.cluster.service(V1)


def test_failed_first_rollout_leaves_nothing_in_the_cluster(stage: Stage) -> None:
    stage.run("apply_revision")
    stage.run("fail_rollout", error="RolloutTimedOutError", cause="")

    assert stage.run("retire_revision")["wait_seconds"] == 0

    assert not stage.cluster.service(V1)
    assert not stage.cluster.find(ROUTES, ROUTE)
    assert stage.shown()["status"] == "Failed"


def test_failure_after_the_shift_gives_the_traffic_back(stage: Stage) -> None:
    stage.promote_first()
    second = stage.open(2)
    stage.run("apply_revision", second)
    stage.run("shift_traffic", second)
    stage.run("fail_rollout", second, error="States.TaskFailed", cause="")

    assert stage.run("retire_revision", second)["wait_seconds"] == 0

    assert stage.cluster.weights(ROUTE) == {f"{V1}-predictor": 100}
    assert not stage.cluster.service(V2)
    assert stage.shown()["stable"]["version"] == 1


def test_deleted_deployment_leaves_nothing_in_the_cluster(stage: Stage, cloud: Cloud) -> None:
    stage.promote_first()
    path = "/projects/vision/deployments/digits"
    assert stage.scenario.call("DELETE", path).status == 202
    event = on_the_bus(cloud.item(stage.scenario.partition, "DEPLOYMENT#digits")["event"])
    opened = stage.scenario.open_rollout(event, "removal")

    assert opened["action"] == "Retire"
    assert stage.run("retire_revision", opened["rollout"])["wait_seconds"] == 0

    assert not stage.cluster.service(V1)
    assert not stage.cluster.find(ROUTES, ROUTE)
    assert stage.scenario.call("GET", path).status == 404
    version = stage.scenario.call("GET", "/projects/vision/models/digits/versions/1").json
    assert version["served_by"] == []


def test_deployments_of_the_cluster_are_read_and_never_written(stage: Stage) -> None:
    stage.promote_first()

    assert not stage.cluster.find(DEPLOYMENTS, f"{V1}-predictor")
