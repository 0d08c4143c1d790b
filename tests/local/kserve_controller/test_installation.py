"""What the embedded cluster tells those who look before they act, read with the official client."""

import json

import pytest
from kubernetes import client

from local.kserve_controller.cluster import Cluster
from local.kserve_controller.installation import install
from tests.local.kserve_controller.embedded_cluster import EmbeddedCluster
from tests.waiting import eventually

GATEWAY = "headrace-system/headrace"


@pytest.fixture(scope="module")
def api(cluster: EmbeddedCluster) -> client.ApiClient:
    core = client.CoreV1Api(cluster.core.api_client)
    eventually(lambda: core.list_node().items, "the node")
    return cluster.core.api_client


def test_kserves_configuration_says_standard_mode_and_gateway_api(api: client.ApiClient) -> None:
    found = client.CoreV1Api(api).read_namespaced_config_map("inferenceservice-config", "kserve")

    ingress, deploy = json.loads(found.data["ingress"]), json.loads(found.data["deploy"])
    assert ingress["enableGatewayApi"] is True
    assert ingress["kserveIngressGateway"] == GATEWAY
    assert deploy["defaultDeploymentMode"] == "Standard"


def test_the_node_is_ready_and_has_no_gpu(api: client.ApiClient) -> None:
    (node,) = client.CoreV1Api(api).list_node().items

    assert {each.type: each.status for each in node.status.conditions}["Ready"] == "True"
    assert node.status.allocatable.keys() == {"cpu", "memory", "pods"}
    assert int(node.status.allocatable["cpu"]) >= 1


def test_the_runtime_is_there_that_can_be_run(api: client.ApiClient) -> None:
    listed = client.CustomObjectsApi(api).list_cluster_custom_object(
        "serving.kserve.io", "v1alpha1", "clusterservingruntimes"
    )

    assert [each["metadata"]["name"] for each in listed["items"]] == ["kserve-sklearnserver"]


def test_what_somebody_has_configured_stays(
    cluster: EmbeddedCluster, api: client.ApiClient
) -> None:
    core = client.CoreV1Api(api)
    own = {"data": {"deploy": '{"defaultDeploymentMode": "Knative"}'}}
    core.patch_namespaced_config_map("inferenceservice-config", "kserve", own)

    install(Cluster(cluster.kubeconfig), GATEWAY)

    found = core.read_namespaced_config_map("inferenceservice-config", "kserve")
    assert json.loads(found.data["deploy"]) == {"defaultDeploymentMode": "Knative"}
