"""Replicas as server processes of their own: more, fewer, none, and as many as their work needs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.local.kserve_controller.embedded_cluster import EmbeddedCluster, condition, in_time, uri
from tests.local.kserve_controller.samples import NAMESPACE, inference_service
from tests.local.serving.trained_models import TrainedModel

STOP = "serving.kserve.io/stop"


def service(name: str, **scaling: int) -> dict[str, Any]:
    manifest = inference_service(name, uri=uri("digits"))
    manifest["spec"]["predictor"] |= scaling
    return manifest


def scale(cluster: EmbeddedCluster, name: str, **scaling: int | None) -> None:
    cluster.patch(name, {"spec": {"predictor": scaling}})


@contextmanager
def callers(cluster: EmbeddedCluster, name: str, rows: list[list[float]]) -> Iterator[list[str]]:
    """Predicts all the time at the endpoints that are ready; gives what failed."""
    failures: list[str] = []
    done = threading.Event()

    def call() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            try:
                ports = sorted(cluster.ports(name))
                url = f"http://127.0.0.1:{ports[turn % len(ports)]}/v1/models/digits:predict"
                requests.post(url, json={"instances": rows}, timeout=10).raise_for_status()
            except (requests.RequestException, ZeroDivisionError) as error:
                failures.append(repr(error))

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield failures
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def pair(cluster: EmbeddedCluster) -> str:
    cluster.apply(service("pair", minReplicas=2))
    cluster.wait_until_ready("pair")
    return "pair"


def test_every_replica_is_a_server_a_pod_and_an_endpoint(
    cluster: EmbeddedCluster, models: dict[str, TrainedModel], pair: str
) -> None:
    ports = cluster.ports(pair)
    model = models["digits"]

    assert len(set(ports)) == len(cluster.servers_of(uri("digits"))) == 2
    assert cluster.counts(pair) == (2, 2, 2, 2)
    assert [each.status.conditions[-1].status for each in cluster.pods(pair)] == ["True"] * 2
    for port in ports:
        answer = requests.post(
            f"http://127.0.0.1:{port}/v1/models/digits:predict",
            json={"instances": model.rows},
            timeout=10,
        )
        assert answer.json()["predictions"] == model.predictions


def test_fewer_and_more_replicas_fail_no_request(
    cluster: EmbeddedCluster, models: dict[str, TrainedModel], pair: str
) -> None:
    with callers(cluster, pair, models["digits"].rows[:1]) as failures:
        scale(cluster, pair, minReplicas=1)
        in_time(lambda: cluster.counts(pair) == (1, 1, 1, 1), "one replica")
        in_time(lambda: len(cluster.servers_of(uri("digits"))) == 1, "the other server's end")
        in_time(lambda: len(cluster.pods(pair)) == 1, "the other pod to go")
        assert len(cluster.ports(pair)) == 1

        scale(cluster, pair, minReplicas=2)
        in_time(lambda: cluster.counts(pair) == (2, 2, 2, 2), "two replicas again")

    assert failures == []


def test_a_stopped_service_keeps_its_number_of_replicas(
    cluster: EmbeddedCluster, pair: str
) -> None:
    cluster.patch(pair, {"metadata": {"annotations": {STOP: "true"}}})
    in_time(lambda: not cluster.servers_of(uri("digits")), "the servers to end")
    in_time(lambda: condition(cluster.status(pair), "Stopped") == "True", "the status")
    assert cluster.ports(pair) == cluster.pods(pair) == []

    cluster.patch(pair, {"metadata": {"annotations": {STOP: None}}})
    cluster.wait_until_ready(pair)

    assert cluster.counts(pair) == (2, 2, 2, 2)


def test_no_replicas_are_no_pods_and_still_a_deployment(
    cluster: EmbeddedCluster, pair: str
) -> None:
    scale(cluster, pair, minReplicas=0)

    in_time(lambda: not cluster.servers_of(uri("digits")), "the servers to end")
    in_time(lambda: cluster.counts(pair) == (0, 0, 0, 0), "the count")
    in_time(lambda: cluster.pods(pair) == [], "the pods to go")
    assert cluster.ports(pair) == []
    cluster.delete(pair)


def autoscaler(cluster: EmbeddedCluster, name: str) -> Any:
    api = client.AutoscalingV2Api(cluster.core.api_client)
    try:
        return api.read_namespaced_horizontal_pod_autoscaler(f"{name}-predictor", NAMESPACE)
    except ApiException as error:
        if error.status == 404:
            return None
        raise


def test_busy_replicas_become_more_within_bounds_and_fewer_again(
    cluster: EmbeddedCluster, models: dict[str, TrainedModel]
) -> None:
    cluster.apply(service("busy", minReplicas=1, maxReplicas=2, scaleTarget=5))
    cluster.wait_until_ready("busy")
    found = autoscaler(cluster, "busy")
    assert (found.spec.min_replicas, found.spec.max_replicas) == (1, 2)

    with callers(cluster, "busy", models["digits"].rows) as failures:
        in_time(lambda: autoscaler(cluster, "busy").status.desired_replicas == 2, "more are wanted")
        in_time(lambda: cluster.counts("busy") == (2, 2, 2, 2), "more replicas")
    in_time(lambda: cluster.counts("busy") == (1, 1, 1, 1), "fewer replicas")

    assert failures == []
    assert autoscaler(cluster, "busy").status.last_scale_time

    scale(cluster, "busy", maxReplicas=None, scaleTarget=None)
    in_time(lambda: autoscaler(cluster, "busy") is None, "the autoscaler to go")
    cluster.delete("busy")
