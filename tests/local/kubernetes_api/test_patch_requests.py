"""The four patches over HTTP."""

import kubernetes

from tests.local.kubernetes_api.running_server import JSON_PATCH, MERGE, STRATEGIC, RunningServer
from tests.local.kubernetes_api.samples import deployment, http_route, inference_service


def test_merge_patches_remove_with_null_and_replace_lists(
    server: RunningServer, services: str
) -> None:
    server.call("POST", services, inference_service("iris", minReplicas=1))
    patch = {"spec": {"predictor": {"minReplicas": None, "model": {"args": ["--x"]}}}}
    after = server.call("PATCH", f"{services}/iris", patch, media=MERGE).body
    model = after["spec"]["predictor"]["model"]
    assert model == {"modelFormat": {"name": "sklearn"}, "args": ["--x"]}
    assert "minReplicas" not in after["spec"]["predictor"]


def test_json_patches_test_before_they_change(server: RunningServer, routes: str) -> None:
    server.call("POST", routes, http_route("r", 100, 0))
    weight = "/spec/rules/0/backendRefs/{}/weight"
    shift = [
        {"op": "test", "path": weight.format(0), "value": 100},
        {"op": "replace", "path": weight.format(0), "value": 80},
        {"op": "replace", "path": weight.format(1), "value": 20},
    ]
    after = server.call("PATCH", f"{routes}/r", shift, media=JSON_PATCH)
    assert after.code == 200
    backends = after.body["spec"]["rules"][0]["backendRefs"]
    assert [one["weight"] for one in backends] == [80, 20]
    again = server.call("PATCH", f"{routes}/r", shift, media=JSON_PATCH)
    assert (again.code, again.body["reason"]) == (422, "Invalid")
    assert "testing value" in again.body["message"]
    assert server.call("GET", f"{routes}/r").rv == after.rv


def test_json_patches_know_all_operations(server: RunningServer, config_maps: str) -> None:
    body = {"metadata": {"name": "a", "labels": {"a/b": "c"}}, "data": {"one": "1", "two": "2"}}
    server.call("POST", config_maps, body)
    patch = [
        {"op": "add", "path": "/data/three", "value": "3"},
        {"op": "remove", "path": "/data/one"},
        {"op": "move", "from": "/data/two", "path": "/data/moved"},
        {"op": "copy", "from": "/data/moved", "path": "/data/copied"},
        {"op": "replace", "path": "/metadata/labels/a~1b", "value": "d"},
        {"op": "test", "path": "/data/copied", "value": "2"},
    ]
    after = server.call("PATCH", f"{config_maps}/a", patch, media=JSON_PATCH).body
    assert after["data"] == {"three": "3", "moved": "2", "copied": "2"}
    assert after["metadata"]["labels"] == {"a/b": "d"}


def test_json_patches_that_do_not_fit_are_refused(server: RunningServer, config_maps: str) -> None:
    server.call("POST", config_maps, {"metadata": {"name": "a"}})
    missing = [{"op": "remove", "path": "/data/none"}]
    assert server.call("PATCH", f"{config_maps}/a", missing, media=JSON_PATCH).code == 422
    for malformed in (
        {"op": "add"},
        [{"op": "fly", "path": "/data"}],
        [{"op": "add", "path": "x"}],
    ):
        assert server.call("PATCH", f"{config_maps}/a", malformed, media=JSON_PATCH).code == 400


def test_strategic_patches_merge_containers_by_name(
    server: RunningServer, deployments: str
) -> None:
    server.call("POST", deployments, deployment("web"))
    containers = [
        {"name": "side", "$patch": "delete"},
        {"name": "app", "image": "app:2", "env": [{"name": "A", "value": "1"}]},
        {"name": "new", "image": "new:1"},
    ]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    after = server.call("PATCH", f"{deployments}/web", patch, media=STRATEGIC).body
    pod = after["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in pod] == ["app", "new"]
    assert pod[0]["image"] == "app:2"
    assert pod[0]["ports"] == [{"containerPort": 80}]
    assert after["metadata"]["generation"] == 2


def test_strategic_patches_are_not_for_custom_resources(
    server: RunningServer, services: str
) -> None:
    server.call("POST", services, inference_service("iris"))
    refused = server.call("PATCH", f"{services}/iris", {"spec": {}}, media=STRATEGIC)
    assert (refused.code, refused.body["reason"]) == (415, "UnsupportedMediaType")
    assert server.call("PATCH", f"{services}/iris", {}, media="application/json").code == 415


def test_the_official_client_patches(client: kubernetes.client.ApiClient, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(client)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "a"}, "data": {"v": "1"}})
    merged = core.patch_namespaced_config_map("a", namespace, {"data": {"w": "2"}})
    assert merged.data == {"v": "1", "w": "2"}
    operations = [{"op": "remove", "path": "/data/v"}]
    assert core.patch_namespaced_config_map("a", namespace, operations).data == {"w": "2"}
