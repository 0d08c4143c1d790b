"""What a client finds when it looks whether a cluster has KServe and the Gateway API."""

import kubernetes
import pytest

from tests.local.kubernetes_api.conftest import Kubectl
from tests.local.kubernetes_api.running_server import APPLY, MERGE, Json, RunningServer

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVICES = f"{PATH}/inferenceservices.serving.kserve.io"
ROUTES = f"{PATH}/httproutes.gateway.networking.k8s.io"


def spec_fields(definition: Json) -> set[str]:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return set(schema["properties"]["spec"]["properties"])


def test_the_definitions_of_kserve_and_the_gateway_api_are_there(
    client: kubernetes.client.ApiClient,
) -> None:
    listed = kubernetes.client.ApiextensionsV1Api(client).list_custom_resource_definition().items

    found = {each.metadata.name: {one.name for one in each.spec.versions} for each in listed}
    assert found["inferenceservices.serving.kserve.io"] == {"v1beta1"}
    assert found["clusterservingruntimes.serving.kserve.io"] == {"v1alpha1"}
    assert found["httproutes.gateway.networking.k8s.io"] == {"v1"}
    assert found["gateways.gateway.networking.k8s.io"] == {"v1"}
    # Kinds of mechanisms that the embedded cluster has not.
    assert not {name for name in found if name.startswith(("llminference", "services.serving."))}


def test_a_definition_tells_what_the_cluster_acts_on(server: RunningServer) -> None:
    found = server.call("GET", SERVICES).body

    assert spec_fields(found) == {"predictor"}
    conditions = {one["type"]: one["status"] for one in found["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_an_outlined_kind_merges_and_prints_as_before(
    server: RunningServer, namespace: str, kubectl: Kubectl
) -> None:
    gateways = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways"
    kind = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway"}
    for manager, port in (("first", 80), ("second", 81)):
        listener = {"name": manager, "port": port, "protocol": "HTTP"}
        spec = {"gatewayClassName": "headrace", "listeners": [listener]}
        body = {**kind, "metadata": {"name": "a"}, "spec": spec}
        path = f"{gateways}/a?fieldManager={manager}&force=true"
        applied = server.call("PATCH", path, body, media=APPLY).body

    assert [one["name"] for one in applied["spec"]["listeners"]] == ["first", "second"]
    columns = kubectl("get", "gtw").splitlines()[0].split()
    assert columns == ["NAME", "CLASS", "ADDRESS", "PROGRAMMED", "AGE"]


def test_a_definition_that_is_written_over_an_outline_takes_the_kind_over(
    own_server: RunningServer,
) -> None:
    versions = own_server.call("GET", SERVICES).body["spec"]["versions"]
    versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["canary"] = {}
    versions[0]["additionalPrinterColumns"] = []

    changed = own_server.call("PATCH", SERVICES, {"spec": {"versions": versions}}, media=MERGE)
    assert spec_fields(changed.body) == {"predictor", "canary"}
    own_server.stop()
    own_server.start()

    assert spec_fields(own_server.call("GET", SERVICES).body) == {"predictor", "canary"}
    table = own_server.call(
        "GET",
        "/apis/serving.kserve.io/v1beta1/inferenceservices",
        accept="application/json;as=Table;v=v1;g=meta.k8s.io",
    ).body
    assert "LatestReadyRevision" not in {one["name"] for one in table["columnDefinitions"]}


@pytest.mark.parametrize("path", [SERVICES, ROUTES])
def test_a_deleted_outline_is_back_after_a_restart(own_server: RunningServer, path: str) -> None:
    own_server.call("DELETE", path)
    assert own_server.call("GET", path).code == 404
    own_server.stop()
    own_server.start()

    assert own_server.call("GET", path).code == 200
