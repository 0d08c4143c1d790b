"""The tasks of ModelRollout that reach the cluster, against a real Kubernetes API over TLS."""

from datetime import timedelta

import pytest

from controlplane.errors import (
    ConcurrentChangeError,
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


def given(stage: Stage) -> dict[str, int]:
    """The revisions that the route gives anything to, with their shares."""
    weights = stage.cluster.weights(ROUTE)
    return {name.removesuffix("-predictor"): share for name, share in weights.items() if share}


def test_preparation_writes_the_inference_service_as_headrace(stage: Stage) -> None:
    stage.prepare()

    service = stage.cluster.service(V1)
    assert {m["manager"] for m in service["metadata"]["managedFields"]} == {"headrace"}
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


def test_preparation_that_is_repeated_changes_nothing(stage: Stage) -> None:
    stage.prepare()
    before = stage.cluster.service(V1)

    stage.prepare()

    assert stage.cluster.service(V1) == before


def test_preparation_takes_back_what_somebody_else_changed(
    stage: Stage, server: RunningServer
) -> None:
    stage.prepare()
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{stage.cluster.namespace}/inferenceservices/{V1}"
    change = {"spec": {"predictor": {"minReplicas": 7}}}
    assert server.call("PATCH", path, change, media="application/merge-patch+json").code == 200

    stage.run("prepare_revision")

    assert stage.cluster.service(V1)["spec"]["predictor"]["minReplicas"] == 1


def test_preparation_leaves_the_traffic_of_a_deployment_that_serves(stage: Stage) -> None:
    stage.promote_first()
    second = stage.open(2)

    stage.prepare(second)

    assert stage.cluster.service(V2)
    assert given(stage) == {V1: 100}


def test_revision_gets_traffic_only_when_deployment_and_endpoints_say_so(stage: Stage) -> None:
    stage.run("check_rollout")
    assert stage.tick() == "Tick"  # what was just written might not be seen yet
    assert stage.tick() == "Prepare"
    stage.run("prepare_revision")
    assert stage.tick() == "Tick"
    stage.cluster.create_predictor(V1)
    stage.tick()
    stage.cluster.roll_out_predictor(V1, observedGeneration=0)
    stage.tick()
    stage.cluster.roll_out_predictor(V1, availableReplicas=0)
    stage.tick()
    stage.cluster.roll_out_predictor(V1)
    stage.tick()
    stage.cluster.set_endpoint(V1, ready=False)
    assert stage.tick() == "Tick"
    assert not stage.cluster.find(ROUTES, ROUTE)
    stage.cluster.set_endpoint(V1, ready=True)
    assert stage.tick() == "Tick"
    assert given(stage) == {V1: 100}
    stage.cluster.accept_route(ROUTE)
    assert stage.tick() == "End"
    assert stage.shown()["last_rollout"]["state"] == "Promoted"


def test_model_that_cannot_be_loaded_fails_with_kserves_reason(stage: Stage) -> None:
    stage.prepare()
    status = {
        "transitionStatus": "BlockedByFailedLoad",
        "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "bad pickle", "exitCode": 1},
    }
    stage.cluster.set_model_status(V1, status)

    assert stage.tick() == "End"

    last = stage.shown()["last_rollout"]
    assert last["state"] == "Failed"
    assert (last["reason"]["code"], last["reason"]["message"]) == ("ModelLoadFailed", "bad pickle")
    assert last["reason"]["remedy"]


def test_revision_not_ready_in_its_time_times_out(stage: Stage, later: SetClock) -> None:
    stage.prepare()

    later(timedelta(minutes=31))

    assert stage.tick() == "End"
    last = stage.shown()["last_rollout"]
    assert (last["state"], last["reason"]["code"]) == ("TimedOut", "DeadlineExceeded")


def test_promotion_is_one_write_that_gives_all_to_the_revision(stage: Stage) -> None:
    stage.promote_first()
    second = stage.open(2)
    stage.prepare(second)
    stage.ready(V2)
    before = stage.cluster.find(ROUTES, ROUTE)["metadata"]["generation"]

    assert stage.tick(second) == "Tick"

    assert given(stage) == {V2: 100}
    route = stage.cluster.find(ROUTES, ROUTE)
    assert route["metadata"]["generation"] == before + 1
    assert route["spec"]["parentRefs"]
    assert route["spec"]["rules"][0]["matches"]


def test_canary_goes_up_in_steps_and_down_on_command(stage: Stage) -> None:
    stage.promote_first()
    second = stage.open_canary(2, {"type": "Canary", "steps": [{"percent": 10}]})
    stage.prepare(second)
    stage.ready(V2)
    assert stage.tick(second) == "Tick"
    assert given(stage) == {V1: 90, V2: 10}
    stage.cluster.accept_route(ROUTE)
    assert stage.tick(second) == "Tick"
    running = f"/projects/vision/deployments/digits/rollouts/{second['rollout_id']}"
    assert stage.scenario.call("GET", running).json["progress"]["since"]

    assert stage.scenario.call("POST", f"{running}/abort").status == 200

    assert stage.tick(second) == "Tick"
    assert given(stage) == {V1: 100}
    stage.cluster.accept_route(ROUTE)
    assert stage.tick(second) == "End"
    assert stage.scenario.call("GET", running).json["state"] == "Aborted"


def test_previous_revision_goes_after_its_grace_and_is_free_then(
    stage: Stage, later: SetClock
) -> None:
    stage.promote_first()
    second = stage.open(2)
    stage.promote(2, second)

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
    stage.promote(2, second)
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
    stage.prepare()
    stage.run("fail_rollout", error="RolloutTimedOutError", cause="")

    assert stage.run("retire_revision")["wait_seconds"] == 0

    assert not stage.cluster.service(V1)
    assert not stage.cluster.find(ROUTES, ROUTE)
    assert stage.shown()["status"] == "Failed"


def test_failure_after_the_shift_gives_the_traffic_back(stage: Stage, later: SetClock) -> None:
    stage.promote_first()
    second = stage.open(2)
    stage.prepare(second)
    stage.ready(V2)
    assert stage.tick(second) == "Tick"
    stage.run("fail_rollout", second, error="States.TaskFailed", cause="")

    assert 0 < stage.run("retire_revision", second)["wait_seconds"] <= 30

    assert given(stage) == {V1: 100}
    assert stage.cluster.service(V2)
    later(timedelta(seconds=31))
    assert stage.run("retire_revision", second)["wait_seconds"] == 0
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
    stage.prepare()
    stage.tick()

    assert not stage.cluster.find(DEPLOYMENTS, f"{V1}-predictor")
