"""Server-side apply: owners, conflicts, what is removed, and what is left alone."""

import copy
from typing import Any

import kubernetes
import pytest

from local.kubernetes_api.objects import now
from tests.local.kubernetes_api.running_server import (
    APPLY,
    JSON_PATCH,
    MERGE,
    Answer,
    Json,
    RunningServer,
)
from tests.local.kubernetes_api.samples import deployment, http_route, inference_service
from tests.waiting import eventually


def apply(
    server: RunningServer, path: str, body: Json, manager: str = "headrace", query: str = ""
) -> Answer:
    """Apply `body` under the collection `path` (or under a subresource that `path` ends in)."""
    collection, _, subresource = path.partition("#")
    url = f"{collection}/{body['metadata']['name']}" + (f"/{subresource}" if subresource else "")
    return server.call("PATCH", f"{url}?fieldManager={manager}{query}", body, media=APPLY)


def managers(body: Json) -> dict[str, Json]:
    return {
        f"{e['manager']}:{e['operation']}:{e.get('subresource', '')}": e["fieldsV1"]
        for e in body["metadata"]["managedFields"]
    }


def config_map(name: str = "a", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_apply_creates_then_changes(server: RunningServer, services: str) -> None:
    body = inference_service("iris")
    created = apply(server, services, body)
    assert created.code == 201
    assert managers(created.body) == {
        "headrace:Apply:": {
            "f:spec": {"f:predictor": {"f:model": {"f:args": {}, "f:modelFormat": {"f:name": {}}}}}
        }
    }
    body["spec"]["predictor"]["minReplicas"] = 2
    changed = apply(server, services, body)
    assert changed.code == 200
    assert changed.body["metadata"]["generation"] == 2


def test_applying_the_same_again_changes_nothing(server: RunningServer, routes: str) -> None:
    first = apply(server, routes, http_route("r", 90, 10))
    written = first.body["metadata"]["managedFields"][0]["time"]
    eventually(lambda: now() > written, "a rewritten timestamp would show")
    assert apply(server, routes, http_route("r", 90, 10)).body == first.body


def test_what_is_no_longer_applied_is_removed(server: RunningServer, config_maps: str) -> None:
    labelled = config_map(one="1", two="2")
    labelled["metadata"]["labels"] = {"x": "y"}
    apply(server, config_maps, labelled)
    server.call("PATCH", f"{config_maps}/a", {"data": {"other": "3"}}, media=MERGE)
    after = apply(server, config_maps, config_map(one="1")).body
    assert after["data"] == {"one": "1", "other": "3"}
    assert "labels" not in after["metadata"]


def test_what_another_owns_too_stays(server: RunningServer, config_maps: str) -> None:
    apply(server, config_maps, config_map(shared="1", mine="1"), "first")
    apply(server, config_maps, config_map(shared="1"), "second")
    after = apply(server, config_maps, config_map(mine="1"), "first").body
    assert after["data"] == {"shared": "1", "mine": "1"}
    assert apply(server, config_maps, config_map(), "second").body["data"] == {"mine": "1"}


def test_a_conflict_names_the_manager_and_the_field(
    server: RunningServer, deployments: str
) -> None:
    apply(server, deployments, deployment("web"), "first")
    other = deployment("web")
    other["spec"] = {"replicas": 5}
    refused = apply(server, deployments, other, "second")
    assert (refused.code, refused.body["reason"]) == (409, "Conflict")
    assert refused.body["message"] == (
        'Apply failed with 1 conflict: conflict with "first" using apps/v1: .spec.replicas'
    )
    cause = refused.body["details"]["causes"][0]
    assert cause["reason"] == "FieldManagerConflict"
    assert cause["field"] == ".spec.replicas"
    assert server.call("GET", f"{deployments}/web").body["spec"]["replicas"] == 1


def test_force_takes_the_field(server: RunningServer, deployments: str) -> None:
    apply(server, deployments, deployment("web"), "first")
    other = deployment("web")
    other["spec"] = {"replicas": 5}
    forced = apply(server, deployments, other, "second", "&force=true").body
    assert forced["spec"]["replicas"] == 5
    assert "f:replicas" not in managers(forced)["first:Apply:"]["f:spec"]
    assert managers(forced)["second:Apply:"] == {"f:spec": {"f:replicas": {}}}
    assert apply(server, deployments, deployment("web"), "first").code == 409


def test_several_conflicts_are_listed(server: RunningServer, config_maps: str) -> None:
    apply(server, config_maps, config_map(a="1", b="1"), "first")
    refused = apply(server, config_maps, config_map(a="2", b="2"), "second")
    assert "2 conflicts" in refused.body["message"]
    assert [c["field"] for c in refused.body["details"]["causes"]] == [".data.a", ".data.b"]


def test_equal_values_are_shared_without_conflict(server: RunningServer, config_maps: str) -> None:
    apply(server, config_maps, config_map(a="1"), "first")
    assert apply(server, config_maps, config_map(a="1"), "second").code == 200
    refused = apply(server, config_maps, config_map(a="2"), "first")
    assert 'conflict with "second"' in refused.body["message"]


def test_an_ordinary_write_takes_its_fields(server: RunningServer, config_maps: str) -> None:
    apply(server, config_maps, config_map(a="1", b="1"), "first")
    edit = {"data": {"a": "2"}}
    edited = server.call("PATCH", f"{config_maps}/a?fieldManager=editor", edit, media=MERGE).body
    assert managers(edited) == {
        "first:Apply:": {"f:data": {"f:b": {}}},
        "editor:Update:": {"f:data": {"f:a": {}}},
    }
    refused = apply(server, config_maps, config_map(a="1", b="1"), "first")
    assert 'conflict with "editor" using v1 at ' in refused.body["message"]
    unnamed = server.call("PATCH", f"{config_maps}/a", {"data": {"c": "1"}}, media=MERGE).body
    assert "tester:Update:" in managers(unnamed)


def test_status_has_its_own_owner(server: RunningServer, services: str) -> None:
    apply(server, services, inference_service("iris"))
    status: Json = {**inference_service("iris"), "status": {"url": "http://iris"}}
    applied = apply(server, f"{services}#status", status, "controller").body
    assert applied["status"] == {"url": "http://iris"}
    assert managers(applied)["controller:Apply:status"] == {"f:status": {"f:url": {}}}
    again = apply(server, services, inference_service("iris")).body
    assert again["status"] == {"url": "http://iris"}
    assert apply(server, f"{services}#status", inference_service("none"), "c").code == 404


def test_lists_of_a_route_are_atomic(server: RunningServer, routes: str) -> None:
    apply(server, routes, http_route("r", 90, 10))
    partial = http_route("r", 50)
    del partial["spec"]["parentRefs"]
    del partial["spec"]["rules"][0]["matches"]
    del partial["spec"]["rules"][0]["filters"]
    after = apply(server, routes, partial).body["spec"]
    # As on a real cluster: matches, filters and parents are gone, the default match is back.
    assert "parentRefs" not in after
    (rule,) = after["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert "filters" not in rule
    assert [one["weight"] for one in rule["backendRefs"]] == [50]


def test_arguments_of_a_model_are_atomic(server: RunningServer, services: str) -> None:
    apply(server, services, inference_service("iris"), "first")
    other = inference_service("iris")
    other["spec"]["predictor"]["model"] = {"args": ["--other"]}
    assert apply(server, services, other, "second").code == 409
    other["spec"]["predictor"]["model"]["modelFormat"] = {"name": "sklearn"}
    forced = apply(server, services, other, "second", "&force=true").body
    assert forced["spec"]["predictor"]["model"]["args"] == ["--other"]


def test_containers_merge_by_name(server: RunningServer, deployments: str) -> None:
    apply(server, deployments, deployment("web"), "first")
    sidecar = deployment("web")
    sidecar["spec"] = {"template": {"spec": {"containers": [{"name": "log", "image": "log:1"}]}}}
    after = apply(server, deployments, sidecar, "second").body
    pod = after["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["containers"]] == ["app", "side", "log"]
    shorter = deployment("web")
    shorter["spec"]["template"]["spec"]["containers"].pop()
    after = apply(server, deployments, shorter, "first").body
    pod = after["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["containers"]] == ["app", "log"]


def test_ports_merge_by_number_and_protocol(server: RunningServer, deployments: str) -> None:
    apply(server, deployments, deployment("web"), "first")
    other = deployment("web")
    ports = [{"containerPort": 80, "protocol": "TCP", "name": "http"}, {"containerPort": 81}]
    other["spec"] = {"template": {"spec": {"containers": [{"name": "app", "ports": ports}]}}}
    after = apply(server, deployments, other, "second").body
    merged = after["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert [one["containerPort"] for one in merged] == [80, 81]


def test_apply_heeds_a_resource_version(server: RunningServer, config_maps: str) -> None:
    first = apply(server, config_maps, config_map(a="1"))
    apply(server, config_maps, config_map(a="2"))
    late = config_map(a="3")
    late["metadata"]["resourceVersion"] = str(first.rv)
    assert apply(server, config_maps, late).code == 409
    new = config_map("new", a="1")
    new["metadata"]["uid"] = "3b9b1b6e-0000-0000-0000-000000000000"
    assert apply(server, config_maps, new).code == 409


@pytest.mark.parametrize("body", [[], {"metadata": {"name": "a"}}, "text"])
def test_an_apply_configuration_is_a_whole_object(
    server: RunningServer, config_maps: str, body: Any
) -> None:
    refused = server.call("PATCH", f"{config_maps}/a?fieldManager=x", body, media=APPLY)
    assert refused.code == 400


def test_managed_fields_can_be_reset(server: RunningServer, config_maps: str) -> None:
    apply(server, config_maps, config_map(a="1"), "first")
    reset = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    after = server.call("PATCH", f"{config_maps}/a", reset, media=JSON_PATCH).body
    assert "managedFields" not in after["metadata"]
    assert apply(server, config_maps, config_map(a="2"), "second").code == 200


def test_a_dry_run_apply_leaves_no_trace(server: RunningServer, config_maps: str) -> None:
    assert apply(server, config_maps, config_map(a="1"), query="&dryRun=All").code == 201
    assert server.call("GET", f"{config_maps}/a").code == 404


def test_the_official_client_applies(client: kubernetes.client.ApiClient, namespace: str) -> None:
    custom = kubernetes.client.CustomObjectsApi(client)
    where = ("gateway.networking.k8s.io", "v1", namespace, "httproutes")
    body = http_route("r", 100)
    options = {"field_manager": "headrace", "_content_type": "application/apply-patch+yaml"}
    # The client gives back None for a 201 here, from any API server: read what was made.
    custom.patch_namespaced_custom_object(*where, "r", copy.deepcopy(body), **options)
    made = custom.get_namespaced_custom_object(*where, "r")
    assert made["spec"]["rules"][0]["matches"] == body["spec"]["rules"][0]["matches"]
    same = custom.patch_namespaced_custom_object(*where, "r", copy.deepcopy(body), **options)
    assert same == made
    body["spec"]["rules"][0]["backendRefs"][0]["weight"] = 5
    with pytest.raises(kubernetes.client.ApiException) as refused:
        custom.patch_namespaced_custom_object(
            *where, "r", body, **{**options, "field_manager": "x"}
        )
    assert refused.value.status == 409


def test_the_dynamic_client_applies(client: kubernetes.client.ApiClient, namespace: str) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(client)
    kind = dynamic.resources.get(api_version="serving.kserve.io/v1beta1", kind="InferenceService")
    body = inference_service("iris")
    made = kind.server_side_apply(body=body, namespace=namespace, field_manager="headrace")
    assert made.spec.predictor.model.modelFormat.name == "sklearn"
    assert [one.metadata.name for one in kind.get(namespace=namespace).items] == ["iris"]
