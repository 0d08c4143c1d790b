"""Kinds that are defined at run time."""

import secrets
from collections.abc import Iterator

import pytest

from tests.local.kubernetes_api.conftest import Kubectl
from tests.local.kubernetes_api.running_server import APPLY, MERGE, Json, RunningServer

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(group: str) -> Json:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "slots": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["id"],
                        "items": {"type": "object"},
                    }
                },
            }
        },
    }
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Wide", "type": "string", "jsonPath": ".spec.note", "priority": 1},
    ]
    version = {
        "served": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"queues.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "queues", "kind": "Queue", "shortNames": ["q"]},
            "versions": [
                {**version, "name": "v1", "storage": True},
                {**version, "name": "v1beta1", "storage": False},
            ],
        },
    }


@pytest.fixture
def group(server: RunningServer) -> Iterator[str]:
    name = f"g{secrets.token_hex(3)}.example.com"
    assert server.call("POST", PATH, definition(name)).code == 201
    yield name
    server.call("DELETE", f"{PATH}/queues.{name}")


def test_a_defined_kind_is_served(server: RunningServer, group: str, namespace: str) -> None:
    made = server.call("GET", f"{PATH}/queues.{group}").body
    conditions = {one["type"]: one["status"] for one in made["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    resources = server.call("GET", f"/apis/{group}/v1").body["resources"]
    assert [one["name"] for one in resources] == ["queues", "queues/status"]
    groups = {one["name"]: one for one in server.call("GET", "/apis").body["groups"]}
    assert groups[group]["preferredVersion"]["version"] == "v1"
    path = f"/apis/{group}/v1/namespaces/{namespace}/queues"
    body = {"metadata": {"name": "a"}, "spec": {"size": 1}, "status": {"x": "y"}}
    assert "status" not in server.call("POST", path, body).body
    other = f"/apis/{group}/v1beta1/namespaces/{namespace}/queues/a"
    assert server.call("GET", other).body["apiVersion"] == f"{group}/v1beta1"
    status = server.call("PATCH", f"{other}/status", {"status": {"x": "z"}}, media=MERGE).body
    assert status["status"] == {"x": "z"}


def test_its_schema_says_how_lists_merge(server: RunningServer, group: str, namespace: str) -> None:
    path = f"/apis/{group}/v1/namespaces/{namespace}/queues/a"
    kind = {"apiVersion": f"{group}/v1", "kind": "Queue", "metadata": {"name": "a"}}
    for manager, slot in (("first", 1), ("second", 2)):
        body = {**kind, "spec": {"slots": [{"id": slot, "of": manager}]}}
        applied = server.call("PATCH", f"{path}?fieldManager={manager}", body, media=APPLY)
        assert applied.code in (200, 201)
    assert [one["id"] for one in applied.body["spec"]["slots"]] == [1, 2]


def test_kubectl_prints_its_columns(
    server: RunningServer, group: str, namespace: str, kubectl: Kubectl
) -> None:
    kubectl("wait", "--for=condition=established", f"crd/queues.{group}", "--timeout=5s")
    path = f"/apis/{group}/v1/namespaces/{namespace}/queues"
    server.call("POST", path, {"metadata": {"name": "a"}, "spec": {"size": 7, "note": "n"}})
    header, row = kubectl("get", f"q.{group}").splitlines()
    assert header.split() == ["NAME", "SIZE"]
    assert row.split() == ["a", "7"]
    assert kubectl("get", f"q.{group}", "-o", "wide").splitlines()[1].split() == ["a", "7", "n"]


def test_a_kind_ends_with_its_definition(server: RunningServer, group: str, namespace: str) -> None:
    path = f"/apis/{group}/v1/namespaces/{namespace}/queues"
    server.call("POST", path, {"metadata": {"name": "a"}})
    server.call("DELETE", f"{PATH}/queues.{group}")
    assert server.call("GET", path).code == 404
    server.call("POST", PATH, definition(group))
    assert server.call("GET", path).body["items"] == []


def test_a_broken_definition_is_refused(server: RunningServer) -> None:
    broken = definition("broken.example.com")
    broken["spec"]["scope"] = "Everywhere"
    broken["metadata"]["name"] = "other.broken.example.com"
    fields = [c["field"] for c in server.call("POST", PATH, broken).body["details"]["causes"]]
    assert fields == ["spec.scope", "metadata.name"]
