"""The controller with a real API server, a real S3 and real model servers."""

import os
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.local.kserve_controller.embedded_cluster import (
    BUCKET,
    EmbeddedCluster,
    condition,
    uri,
)
from tests.local.kserve_controller.samples import NAMESPACE, inference_service
from tests.local.serving.trained_models import TrainedModel
from tests.waiting import eventually

STOP = "serving.kserve.io/stop"


@pytest.fixture(scope="module")
def cluster(cluster: EmbeddedCluster, models: dict[str, TrainedModel]) -> EmbeddedCluster:
    broken = models["digits"].file.read_bytes()[:300]
    cluster.s3.put_object(Bucket=BUCKET, Key="broken/model.joblib", Body=broken)
    cluster.apply(inference_service("steady", uri=uri("digits")))
    cluster.wait_until_ready("steady")
    return cluster


def predict(port: int, rows: list[list[float]]) -> list[Any]:
    answer = requests.post(
        f"http://127.0.0.1:{port}/v1/models/digits:predict", json={"instances": rows}, timeout=10
    )
    answer.raise_for_status()
    return list(answer.json()["predictions"])


def infer(port: int, rows: list[list[float]]) -> list[Any]:
    tensor: Any = {
        "name": "x",
        "shape": [len(rows), len(rows[0])],
        "datatype": "FP64",
        "data": rows,
    }
    answer = requests.post(
        f"http://127.0.0.1:{port}/v2/models/digits/infer", json={"inputs": [tensor]}, timeout=10
    )
    answer.raise_for_status()
    return list(answer.json()["outputs"][0]["data"])


def test_a_ready_service_answers_as_its_model_does_in_both_protocols(
    cluster: EmbeddedCluster, models: dict[str, TrainedModel]
) -> None:
    (port,) = cluster.ports("steady")
    model = models["digits"]

    assert predict(port, model.rows) == model.predictions
    assert infer(port, model.rows) == model.predictions


def test_a_ready_service_has_the_status_and_the_objects_of_a_real_one(
    cluster: EmbeddedCluster,
) -> None:
    status = cluster.status("steady")
    deployment = cluster.apps.read_namespaced_deployment("steady-predictor", NAMESPACE)
    service = cluster.core.read_namespaced_service("steady-predictor", NAMESPACE)

    assert status["modelStatus"]["transitionStatus"] == "UpToDate"
    assert status["url"] == f"http://steady-predictor.{NAMESPACE}.svc.cluster.local"
    assert deployment.status.available_replicas == 1
    assert deployment.status.observed_generation == deployment.metadata.generation
    assert deployment.metadata.owner_references[0].name == "steady"
    assert (service.spec.ports[0].port, service.spec.ports[0].target_port) == (80, 8080)
    assert (cluster.logs / f"{NAMESPACE}.steady.log").exists()
    health = requests.get(f"http://127.0.0.1:{cluster.health_port}/healthz", timeout=5).json()
    assert health == {"synced": True, "managedServices": 1}


def test_a_model_that_cannot_be_loaded_is_explained_and_a_good_one_recovers(
    cluster: EmbeddedCluster, models: dict[str, TrainedModel]
) -> None:
    cluster.apply(inference_service("broken", uri=uri("broken")))

    failed = cluster.wait_for_transition("broken", "BlockedByFailedLoad")

    failure = failed["lastFailureInfo"]
    assert failure["reason"] == "ModelLoadFailed"
    assert failure["exitCode"] == 1
    assert failure["message"].startswith(f"cannot load model digits from {uri('broken')}: ")
    assert cluster.ports("broken") == []
    assert condition(cluster.status("broken"), "Ready") == "False"

    cluster.apply(inference_service("broken", uri=uri("digits")))
    cluster.wait_until_ready("broken")

    (port,) = cluster.ports("broken")
    assert predict(port, models["digits"].rows) == models["digits"].predictions
    cluster.delete("broken")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"runtime": "nowhere"}, "RuntimeNotRecognized"),
        ({"modelFormat": {"name": "onnx"}}, "NoSupportingRuntime"),
    ],
)
def test_a_model_without_a_runtime_is_an_invalid_spec(
    cluster: EmbeddedCluster, model: dict[str, Any], reason: str
) -> None:
    cluster.apply(inference_service("unserved", uri=uri("digits"), **model))

    invalid = cluster.wait_for_transition("unserved", "InvalidSpec")

    assert invalid["lastFailureInfo"]["reason"] == reason
    assert not cluster.exists("Deployment", "unserved-predictor")
    cluster.delete("unserved")


def test_a_stopped_service_has_no_process_and_resumes(cluster: EmbeddedCluster) -> None:
    cluster.apply(inference_service("paused", uri=uri("digits-tree")))
    cluster.wait_until_ready("paused")

    cluster.patch("paused", {"metadata": {"annotations": {STOP: "true"}}})
    eventually(lambda: not cluster.servers_of(uri("digits-tree")), "the server to end")
    eventually(lambda: condition(cluster.status("paused"), "Stopped") == "True", "the status")
    assert condition(cluster.status("paused"), "Ready") == "False"
    assert cluster.ports("paused") == []
    assert not cluster.exists("Deployment", "paused-predictor")
    assert not cluster.exists("Service", "paused-predictor")

    cluster.patch("paused", {"metadata": {"annotations": {STOP: None}}})
    cluster.wait_until_ready("paused")
    assert len(cluster.ports("paused")) == 1
    assert condition(cluster.status("paused"), "Stopped") == "False"

    cluster.delete("paused")
    eventually(lambda: not cluster.servers_of(uri("digits-tree")), "the deleted service's server")
    eventually(lambda: not cluster.exists("Deployment", "paused-predictor"), "the cascade")


def test_a_service_that_is_not_cluster_local_gets_a_route_and_awaits_its_acceptance(
    cluster: EmbeddedCluster,
) -> None:
    cluster.apply(inference_service("public", uri=uri("iris"), labels={}))
    route = cluster.route_of("public")
    (rule,) = route["spec"]["rules"]
    assert rule["matches"][0]["path"]["value"] == f"/serving/{NAMESPACE}/public"
    assert rule["backendRefs"][0]["name"] == "public-predictor"
    assert condition(cluster.status("public"), "Ready") != "True"

    cluster.accept_route("public", route["spec"]["parentRefs"][0])

    cluster.wait_until_ready("public")
    assert cluster.status("public")["url"] == f"http://127.0.0.1:8080/serving/{NAMESPACE}/public"
    cluster.delete("public")


def test_a_runtime_of_the_namespace_that_appears_later_is_taken(cluster: EmbeddedCluster) -> None:
    cluster.apply(inference_service("early", uri=uri("iris"), runtime="own"))
    cluster.wait_for_transition("early", "InvalidSpec")

    cluster.create_runtime("own")

    cluster.wait_until_ready("early")
    assert cluster.status("early")["servingRuntimeName"] == "own"
    cluster.delete("early")


def test_a_service_that_is_deleted_and_made_anew_at_once_is_a_new_service(
    cluster: EmbeddedCluster,
) -> None:
    cluster.apply(inference_service("anew", uri=uri("iris")))
    first = cluster.only_server_of(uri("iris"))

    # Its watch is cut and it is held still, so the controller never sees the service absent.
    with cluster.controller.held_still():
        cluster.api.end()
        cluster.api.start()
        eventually(cluster.api_answers, "the API to be back")
        cluster.delete("anew")
        cluster.apply(inference_service("anew", uri=uri("iris")))

    eventually(lambda: first not in cluster.servers_of(uri("iris")), "the first server to end")
    cluster.wait_until_ready("anew")
    assert len(cluster.ports("anew")) == 1
    assert cluster.exists("Deployment", "anew-predictor")
    cluster.delete("anew")


@dataclass
class Caller:
    """Calls whatever server the endpoints name, all the time, and keeps what came back."""

    cluster: EmbeddedCluster
    rows: list[list[float]]
    answers: list[list[Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.done.is_set():
            try:
                self.answers.append(predict(self.cluster.ports("rolled")[0], self.rows))
            except (requests.RequestException, IndexError) as error:
                self.failures.append(repr(error))


def test_a_changed_spec_replaces_the_server_without_a_failing_request(
    cluster: EmbeddedCluster, models: dict[str, TrainedModel]
) -> None:
    rows = models["digits"].rows
    before, after = models["digits"].predictions, models["digits-tree"].predictions
    assert before != after
    cluster.apply(inference_service("rolled", uri=uri("digits")))
    cluster.wait_until_ready("rolled")
    (old_port,) = cluster.ports("rolled")
    caller = Caller(cluster, rows)
    thread = threading.Thread(target=caller.run)
    thread.start()
    try:
        cluster.apply(inference_service("rolled", uri=uri("digits-tree")))
        eventually(lambda: caller.answers[-1:] == [after], "the new model to answer")
        eventually(lambda: not _listens(old_port), "the old server to end")
        cluster.wait_until_ready("rolled")
    finally:
        caller.done.set()
        thread.join()

    assert caller.failures == []
    assert caller.answers[0] == before
    assert cluster.ports("rolled") != [old_port]
    cluster.delete("rolled")


def _listens(port: int) -> bool:
    try:
        requests.get(f"http://127.0.0.1:{port}/", timeout=5)
    except requests.ConnectionError:
        return False
    return True


def test_a_server_that_dies_loses_its_endpoint_and_is_restarted(cluster: EmbeddedCluster) -> None:
    (port,) = cluster.ports("steady")
    server = cluster.only_server_of(uri("digits"))

    os.kill(server, signal.SIGKILL)

    eventually(lambda: port not in cluster.ports("steady"), "the endpoint to go", 5)
    eventually(lambda: cluster.ports("steady"), "a new endpoint", 60)
    cluster.wait_until_ready("steady")


def test_an_api_server_that_is_away_for_a_while_is_no_harm(
    cluster: EmbeddedCluster, models: dict[str, TrainedModel]
) -> None:
    (port,) = cluster.ports("steady")
    server = cluster.only_server_of(uri("digits"))
    cluster.api.end()
    assert predict(port, models["digits"].rows) == models["digits"].predictions

    os.kill(server, signal.SIGKILL)
    eventually(
        lambda: set(cluster.servers_of(uri("digits"))) - {server}, "a restart without the API"
    )
    cluster.api.start()
    eventually(cluster.api_answers, "the API to be back")

    eventually(lambda: cluster.ports("steady") not in ([], [port]), "the new endpoint", 60)
    cluster.wait_until_ready("steady")
    cluster.apply(inference_service("later", uri=uri("iris")))
    cluster.wait_until_ready("later")
    cluster.delete("later")
    eventually(lambda: not cluster.servers_of(uri("iris")), "its server to end")


def test_a_killed_controller_leaves_nothing_once_it_is_started_again(
    cluster: EmbeddedCluster,
) -> None:
    left = cluster.only_server_of(uri("digits"))
    [port] = cluster.ports("steady")
    cluster.controller.end(signal.SIGKILL)
    assert cluster.servers_of(uri("digits")) == [left]

    cluster.start_controller()

    eventually(lambda: left not in cluster.servers_of(uri("digits")), "the survivor to end")
    # The dead controller's endpoint and status stay until the new one has written its own.
    eventually(lambda: cluster.ports("steady") not in ([], [port]), "the new endpoint", 60)
    cluster.wait_until_ready("steady")
    assert len(cluster.servers_of(uri("digits"))) == 1
    assert len(cluster.ports("steady")) == 1


def test_a_controller_that_ends_takes_its_servers_and_endpoints_along(
    cluster: EmbeddedCluster,
) -> None:
    cluster.controller.end()

    assert cluster.servers_of(uri("digits")) == []
    assert cluster.ports("steady") == []
    assert list((cluster.state / "servers").iterdir()) == []
    cluster.start_controller()
