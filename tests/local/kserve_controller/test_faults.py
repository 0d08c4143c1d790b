"""Faults that a developer orders in the cluster: from the ConfigMap to the running server and back."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from local.faults import Faults
from local.kubectl import kubectl
from local.serving.faults import Fault
from tests.local.kserve_controller.embedded_cluster import (
    BUCKET,
    EmbeddedCluster,
    in_time,
    running_cluster,
    uri,
)
from tests.local.kserve_controller.samples import NAMESPACE, inference_service
from tests.local.serving.trained_models import PROJECT, TrainedModel

NAME = "digits--digits--v3"
STOP = "serving.kserve.io/stop"
DRAIN_SECONDS = 10
JSON = {"Content-Type": "application/json"}
Command = Callable[..., str]


@pytest.fixture(scope="module")
def revision(cluster: EmbeddedCluster) -> str:
    cluster.apply(inference_service(NAME, uri=uri("digits")))
    cluster.wait_until_ready(NAME)
    return NAME


@pytest.fixture
def fault(cluster: EmbeddedCluster) -> Iterator[Command]:
    """`python -m local fault …`; all is cleared after the test."""

    def run(*arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "local", "--state", str(cluster.folder), "fault"]
        done = subprocess.run(
            [*command, *arguments],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield run
    run("clear", "-n", NAMESPACE)


@pytest.fixture
def predict(cluster: EmbeddedCluster, models: dict[str, TrainedModel]) -> Callable[[], int]:
    def ask() -> int:
        """The status of a prediction; 0 when there is no server or it breaks off."""
        ports = cluster.ports(NAME)
        if not ports:
            return 0
        try:
            return requests.post(
                f"http://127.0.0.1:{ports[0]}/v1/models/digits:predict",
                json={"instances": models["digits"].rows[:1]},
                timeout=5,
            ).status_code
        except requests.RequestException:
            return 0

    return ask


def fault_file(cluster: EmbeddedCluster) -> Path:
    return cluster.state / "faults" / f"{NAMESPACE}.{NAME}.json"


def restarts(cluster: EmbeddedCluster) -> int:
    return sum(each.status.container_statuses[0].restart_count for each in cluster.pods(NAME))


def test_a_running_revision_fails_until_the_fault_is_cleared(
    cluster: EmbeddedCluster, revision: str, fault: Command, predict: Callable[[], int]
) -> None:
    server = cluster.only_server_of(uri("digits"))

    fault("set", "*--v3", "-n", NAMESPACE, "--error-rate", "1")
    in_time(lambda: predict() == 500, "an error")
    assert "errorRate: 1.0" in fault("list")
    assert cluster.ready(revision)

    fault("clear", "*--v3", "-n", NAMESPACE)
    in_time(lambda: predict() == 200, "an answer")
    assert cluster.only_server_of(uri("digits")) == server
    assert "errorRate" not in fault("list")


def test_kubectl_orders_a_fault_as_well(
    cluster: EmbeddedCluster,
    revision: str,
    fault: Command,
    predict: Callable[[], int],
    tmp_path: Path,
) -> None:
    def run(*arguments: str) -> None:
        subprocess.run(
            [kubectl(), "--kubeconfig", cluster.kubeconfig, "-n", NAMESPACE, *arguments],
            env={"HOME": str(tmp_path)},
            check=True,
            timeout=60,
        )

    cluster.core.delete_namespaced_config_map("headrace-embedded-faults", NAMESPACE)
    order = "--from-literal=mine={revision: '*', errorRate: 1}"
    run("create", "configmap", "headrace-embedded-faults", order)
    in_time(lambda: predict() == 500, "an error")

    run("delete", "configmap", "headrace-embedded-faults")
    in_time(lambda: predict() == 200, "an answer")


def test_a_revision_that_stops_answering_loses_its_endpoint(
    cluster: EmbeddedCluster, revision: str, fault: Command
) -> None:
    fault("set", revision, "-n", NAMESPACE, "--hang", "all")
    in_time(lambda: cluster.ports(revision) == [], "its endpoint to go")
    in_time(lambda: cluster.counts(revision) == (1, 1, 0, 0), "the count")

    fault("clear", revision, "-n", NAMESPACE)
    cluster.wait_until_ready(revision)


def test_a_revision_that_dies_under_load_dies_again_after_its_restart(
    cluster: EmbeddedCluster, revision: str, fault: Command, predict: Callable[[], int]
) -> None:
    fault("set", revision, "-n", NAMESPACE, "--die-after", "3")

    for death in (1, 2):

        def predicted_until_it_died(death: int = death) -> bool:
            predict()
            return restarts(cluster) >= death

        in_time(predicted_until_it_died, f"death {death}")
        in_time(lambda: cluster.ports(revision), "the restarted server")
    state = cluster.pods(revision)[0].status.container_statuses[0].last_state.terminated
    assert (state.exit_code, state.message) == (137, "injected fault: died in prediction 3")

    fault("clear", revision, "-n", NAMESPACE)
    cluster.wait_until_ready(revision)
    in_time(lambda: [predict() for _ in range(10)] == [200] * 10, "it stays alive")


def test_a_fault_may_wait_for_its_revision(cluster: EmbeddedCluster, fault: Command) -> None:
    fault("set", "digits--digits--v4", "-n", NAMESPACE, "--never-ready")
    cluster.apply(inference_service("digits--digits--v4", uri=uri("iris")))
    server = cluster.only_server_of(uri("iris"))

    def refuses() -> bool:
        slices = cluster.discovery.list_namespaced_endpoint_slice(
            NAMESPACE, label_selector="kubernetes.io/service-name=digits--digits--v4-predictor"
        ).items
        port = slices[0].ports[0].port
        try:
            answer = requests.get(f"http://127.0.0.1:{port}/v2/models/digits/ready", timeout=5)
        except requests.ConnectionError:
            return False
        return answer.status_code == 503 and "never ready" in answer.text

    in_time(refuses, "it has loaded and is not ready")
    assert cluster.ports("digits--digits--v4") == []

    fault("clear", "digits--digits--v4", "-n", NAMESPACE)
    cluster.wait_until_ready("digits--digits--v4")
    assert cluster.only_server_of(uri("iris")) == server
    cluster.delete("digits--digits--v4")


def test_what_is_in_flight_is_answered_when_its_revision_is_stopped(
    cluster: EmbeddedCluster, models: dict[str, TrainedModel], revision: str, fault: Command
) -> None:
    fault("set", revision, "-n", NAMESPACE, "--latency-ms", "4000")
    server = cluster.only_server_of(uri("digits"))
    connection = http.client.HTTPConnection("127.0.0.1", cluster.ports(revision)[0], timeout=30)
    body = json.dumps({"instances": models["digits"].rows[:1]})
    in_time(lambda: fault_file(cluster).exists(), "the server's fault")
    connection.request("POST", "/v1/models/digits:predict", body, JSON)

    cluster.patch(revision, {"metadata": {"annotations": {STOP: "true"}}})
    in_time(lambda: cluster.ports(revision) == [], "its endpoint to go")
    assert cluster.servers_of(uri("digits")) == [server]

    assert connection.getresponse().status == 200
    in_time(lambda: not cluster.servers_of(uri("digits")), "the server to end")
    cluster.patch(revision, {"metadata": {"annotations": {STOP: None}}})
    cluster.wait_until_ready(revision)


@pytest.fixture
def strict_cluster(models: dict[str, TrainedModel], tmp_path: Path) -> Iterator[EmbeddedCluster]:
    """One that restarts no server, and lets servers drain for long."""
    options = ("--restart-limit", "0", "--drain-seconds", str(DRAIN_SECONDS))
    with running_cluster(tmp_path, *options) as cluster:
        cluster.s3.upload_file(str(models["iris"].file), BUCKET, "iris/model.joblib")
        yield cluster


def test_a_server_that_died_too_often_gets_a_new_chance_and_drains_when_stopped(
    strict_cluster: EmbeddedCluster,
) -> None:
    cluster = strict_cluster
    faults = Faults(cluster.kubeconfig)
    faults.set(NAMESPACE, "*", Fault(dieAfterRequests=1))
    cluster.apply(inference_service("mortal", uri=uri("iris")))
    cluster.wait_until_ready("mortal")
    with pytest.raises(requests.ConnectionError):
        requests.post(f"http://127.0.0.1:{cluster.ports('mortal')[0]}/v2/x/infer", timeout=5)
    in_time(lambda: progress(cluster) == "ProgressDeadlineExceeded", "it is given up")

    faults.clear(NAMESPACE)

    cluster.wait_until_ready("mortal")
    assert progress(cluster) == "NewReplicaSetAvailable"

    # Stopped, it leaves service at once, and goes on answering whoever has not heard of it.
    (port,) = cluster.ports("mortal")
    cluster.patch("mortal", {"metadata": {"annotations": {STOP: "true"}}})
    in_time(lambda: cluster.ports("mortal") == [], "its endpoint to go")
    gone = time.monotonic()
    ready = requests.get(f"http://127.0.0.1:{port}/v2/models/digits/ready", timeout=5)
    assert ready.status_code == 200
    in_time(lambda: not cluster.servers_of(uri("iris")), "the server to end")
    assert time.monotonic() - gone > DRAIN_SECONDS / 2


def progress(cluster: EmbeddedCluster) -> str:
    conditions = cluster.deployment("mortal").status.conditions
    return next(str(each.reason) for each in conditions if each.type == "Progressing")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["set", "x", "-n", NAMESPACE], "say what the fault is"),
        (["set", "x", "-n", NAMESPACE, "--error-rate", "2"], "errorRate must be from 0 to 1"),
        (["set", "x", "-n", "nowhere", "--never-ready"], "404"),
        (["clear", "unknown", "-n", NAMESPACE], "cleared 0"),
    ],
)
def test_an_order_that_cannot_be_is_told(
    cluster: EmbeddedCluster, fault: Command, arguments: list[str], told: str
) -> None:
    assert told in fault(*arguments, code=1)
