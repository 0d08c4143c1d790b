"""Create, read, update and delete, and what the server adds to and refuses of an object."""

import base64
from pathlib import Path

import kubernetes
import pytest

from tests.local.kubernetes_api.running_server import MERGE, Json, RunningServer
from tests.local.kubernetes_api.samples import deployment, http_route, inference_service


def test_the_official_client_creates_reads_replaces_lists_and_deletes(
    client: kubernetes.client.ApiClient, namespace: str
) -> None:
    core = kubernetes.client.CoreV1Api(client)
    body = kubernetes.client.V1ConfigMap(metadata={"name": "settings"}, data={"a": "1"})
    created = core.create_namespaced_config_map(namespace, body)
    assert created.metadata.uid
    assert created.metadata.creation_timestamp
    created.data["a"] = "2"
    replaced = core.replace_namespaced_config_map("settings", namespace, created)
    assert int(replaced.metadata.resource_version) > int(created.metadata.resource_version)
    assert core.read_namespaced_config_map("settings", namespace).data == {"a": "2"}
    listed = core.list_namespaced_config_map(namespace)
    assert [one.metadata.name for one in listed.items] == ["settings"]
    core.delete_namespaced_config_map("settings", namespace)
    with pytest.raises(kubernetes.client.ApiException) as missing:
        core.read_namespaced_config_map("settings", namespace)
    assert missing.value.status == 404


def test_refusals_are_status_objects(server: RunningServer, config_maps: str) -> None:
    missing = server.call("GET", f"{config_maps}/nothing")
    assert missing.code == 404
    assert missing.body["kind"] == "Status"
    assert missing.body["reason"] == "NotFound"
    assert missing.body["details"] == {"name": "nothing", "kind": "configmaps"}
    assert missing.body["message"] == 'configmaps "nothing" not found'
    assert server.call("GET", "/apis/nowhere.example/v1/things").code == 404
    assert server.call("PUT", config_maps, {}).code == 405
    assert server.call("POST", config_maps, "{").code == 400
    assert server.call("POST", config_maps, "<a/>", media="application/xml").code == 415


def test_a_name_can_be_taken_once(server: RunningServer, config_maps: str) -> None:
    assert server.call("POST", config_maps, {"metadata": {"name": "one"}}).code == 201
    again = server.call("POST", config_maps, {"metadata": {"name": "one"}})
    assert (again.code, again.body["reason"]) == (409, "AlreadyExists")


def test_generated_names_differ(server: RunningServer, config_maps: str) -> None:
    body = {"metadata": {"generateName": "run-"}}
    names = {server.call("POST", config_maps, body).body["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("run-") for name in names)


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "x" * 254, "", "a/b"])
def test_names_are_dns_names(server: RunningServer, config_maps: str, name: str) -> None:
    refused = server.call("POST", config_maps, {"metadata": {"name": name}})
    assert (refused.code, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["details"]["causes"][0]["field"] == "metadata.name"


def test_a_namespace_must_exist(server: RunningServer) -> None:
    refused = server.call(
        "POST", "/api/v1/namespaces/nowhere/configmaps", {"metadata": {"name": "a"}}
    )
    assert refused.code == 404
    assert refused.body["message"] == 'namespaces "nowhere" not found'


def test_a_namespace_has_its_label_and_default_account(
    server: RunningServer, namespace: str
) -> None:
    found = server.call("GET", f"/api/v1/namespaces/{namespace}").body
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace}
    assert found["status"] == {"phase": "Active"}
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    assert server.call("GET", account).code == 200


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_the_first_namespaces_are_there_and_stay(server: RunningServer, name: str) -> None:
    assert server.call("GET", f"/api/v1/namespaces/{name}").code == 200
    assert server.call("DELETE", f"/api/v1/namespaces/{name}").code == 403


def test_a_stale_write_is_refused(server: RunningServer, config_maps: str) -> None:
    first = server.call("POST", config_maps, {"metadata": {"name": "a"}, "data": {"v": "1"}}).body
    second = server.call("PUT", f"{config_maps}/a", {**first, "data": {"v": "2"}})
    assert second.code == 200
    stale = server.call("PUT", f"{config_maps}/a", {**first, "data": {"v": "3"}})
    assert (stale.code, stale.body["reason"]) == (409, "Conflict")
    patch = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}}
    assert server.call("PATCH", f"{config_maps}/a", patch, media=MERGE).code == 409
    assert server.call("GET", f"{config_maps}/a").body["data"] == {"v": "2"}


def test_a_write_that_changes_nothing_keeps_the_version(
    server: RunningServer, config_maps: str
) -> None:
    first = server.call("POST", config_maps, {"metadata": {"name": "a"}, "data": {"v": "1"}})
    assert server.call("PUT", f"{config_maps}/a", first.body).rv == first.rv
    same = server.call("PATCH", f"{config_maps}/a", {"data": {"v": "1"}}, media=MERGE)
    assert same.rv == first.rv


def test_identity_cannot_be_rewritten(server: RunningServer, config_maps: str) -> None:
    first = server.call("POST", config_maps, {"metadata": {"name": "a"}}).body["metadata"]
    other = {"creationTimestamp": "2001-01-01T00:00:00Z", "labels": {"a": "b"}}
    after = server.call("PATCH", f"{config_maps}/a", {"metadata": other}, media=MERGE).body
    assert after["metadata"]["creationTimestamp"] == first["creationTimestamp"]
    assert after["metadata"]["uid"] == first["uid"]
    wrong = server.call("PATCH", f"{config_maps}/a", {"metadata": {"uid": "another"}}, media=MERGE)
    assert wrong.code == 409
    renamed = server.call("PATCH", f"{config_maps}/a", {"metadata": {"name": "b"}}, media=MERGE)
    assert renamed.code == 400


def test_status_and_spec_are_written_apart(server: RunningServer, services: str) -> None:
    body = {**inference_service("iris"), "status": {"url": "http://made-up"}}
    created = server.call("POST", services, body).body
    assert "status" not in created
    assert created["metadata"]["generation"] == 1
    status = {"spec": {"predictor": {"minReplicas": 9}}, "status": {"url": "http://iris"}}
    written = server.call("PATCH", f"{services}/iris/status", status, media=MERGE).body
    assert written["status"] == {"url": "http://iris"}
    assert written["spec"] == created["spec"]
    assert written["metadata"]["generation"] == 1
    spec = {"spec": {"predictor": {"minReplicas": 2}}, "status": {"url": "http://other"}}
    widened = server.call("PATCH", f"{services}/iris", spec, media=MERGE).body
    assert widened["status"] == {"url": "http://iris"}
    assert widened["spec"]["predictor"]["minReplicas"] == 2
    assert widened["metadata"]["generation"] == 2
    label = {"metadata": {"labels": {"a": "b"}}}
    labelled = server.call("PATCH", f"{services}/iris", label, media=MERGE).body
    assert labelled["metadata"]["generation"] == 2
    replaced = {**labelled, "spec": {}, "status": {"url": "http://put"}}
    put = server.call("PUT", f"{services}/iris/status", replaced).body
    assert (put["status"], put["spec"]) == ({"url": "http://put"}, widened["spec"])


def test_scale_changes_replicas(server: RunningServer, deployments: str) -> None:
    server.call("POST", deployments, deployment("web"))
    scale = server.call("GET", f"{deployments}/web/scale").body
    assert (scale["kind"], scale["spec"]) == ("Scale", {"replicas": 1})
    assert (
        server.call("PUT", f"{deployments}/web/scale", {**scale, "spec": {"replicas": 3}}).code
        == 200
    )
    assert server.call("GET", f"{deployments}/web").body["spec"]["replicas"] == 3
    stale = server.call("PUT", f"{deployments}/web/scale", {**scale, "spec": {"replicas": 4}})
    assert stale.code == 409


def test_dry_runs_leave_no_trace(server: RunningServer, config_maps: str) -> None:
    body: Json = {"metadata": {"name": "a"}, "data": {"v": "1"}}
    assert server.call("POST", f"{config_maps}?dryRun=All", body).code == 201
    assert server.call("GET", f"{config_maps}/a").code == 404
    before = server.call("POST", config_maps, body)
    changed = server.call("PATCH", f"{config_maps}/a?dryRun=All", {"data": {"v": "2"}}, media=MERGE)
    assert changed.body["data"] == {"v": "2"}
    assert server.call("DELETE", f"{config_maps}/a?dryRun=All").code == 200
    assert server.call("DELETE", f"{config_maps}/a", {"dryRun": ["All"]}).code == 200
    assert server.call("GET", f"{config_maps}/a").body == before.body
    assert server.call("POST", f"{config_maps}?dryRun=Some", body).code == 400


def test_deletion_heeds_preconditions(server: RunningServer, config_maps: str) -> None:
    first = server.call("POST", config_maps, {"metadata": {"name": "a"}}).body["metadata"]
    for wrong in ({"uid": "another"}, {"resourceVersion": "1"}):
        refused = server.call("DELETE", f"{config_maps}/a", {"preconditions": wrong})
        assert (refused.code, refused.body["reason"]) == (409, "Conflict")
    right = {"uid": first["uid"], "resourceVersion": first["resourceVersion"]}
    gone = server.call("DELETE", f"{config_maps}/a", {"preconditions": right})
    assert (gone.code, gone.body["status"]) == (200, "Success")
    assert gone.body["details"]["uid"] == first["uid"]


def test_secrets_take_plain_text(server: RunningServer, namespace: str) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"key": "value"}}
    made = server.call("POST", f"/api/v1/namespaces/{namespace}/secrets", body).body
    assert base64.b64decode(made["data"]["key"]) == b"value"
    assert "stringData" not in made
    assert made["type"] == "Opaque"


def test_yaml_bodies_are_read(server: RunningServer, config_maps: str) -> None:
    text = "metadata: {name: a}\ndata: {day: '2026-01-01', other: 2026-01-02}\n"
    made = server.call("POST", config_maps, text, media="application/yaml")
    assert made.body["data"] == {"day": "2026-01-01", "other": "2026-01-02"}


def test_nulls_and_empty_maps_of_metadata_are_not_kept(
    server: RunningServer, services: str
) -> None:
    body = inference_service("iris", minReplicas=None)
    body["metadata"].update(labels={}, annotations=None, creationTimestamp=None)
    made = server.call("POST", services, body).body
    assert "minReplicas" not in made["spec"]["predictor"]
    assert not {"labels", "annotations"} & set(made["metadata"])
    assert made["metadata"]["creationTimestamp"]


@pytest.mark.parametrize("name", ["1st", "with.dot", "Upper"])
def test_inference_service_names_follow_kserve(
    server: RunningServer, services: str, name: str
) -> None:
    assert server.call("POST", services, inference_service(name)).code == 422


def test_an_inference_service_needs_a_model_format(server: RunningServer, services: str) -> None:
    body = inference_service("iris")
    body["spec"]["predictor"]["model"].pop("modelFormat")
    refused = server.call("POST", services, body)
    assert refused.code == 422
    assert "spec.predictor.model.modelFormat.name: Required value" in refused.body["message"]
    assert server.call("POST", services, {**body, "spec": {}}).code == 422


def test_routes_follow_the_gateway_api(server: RunningServer, routes: str) -> None:
    assert server.call("POST", routes, http_route("good", 90, 10)).code == 201
    without_port = http_route("a", 1)
    del without_port["spec"]["rules"][0]["backendRefs"][0]["port"]
    assert "Must have port" in server.call("POST", routes, without_port).body["message"]
    two_matches = http_route("b", 1)
    two_matches["spec"]["rules"][0]["matches"] *= 2
    refused = server.call("POST", routes, two_matches)
    assert refused.code == 422
    assert "exactly one PathPrefix match" in refused.body["message"]
    exact = http_route("c", 1)
    exact["spec"]["rules"][0]["matches"][0]["path"]["type"] = "Exact"
    assert server.call("POST", routes, exact).code == 422
    patch = {"spec": {"rules": without_port["spec"]["rules"]}}
    assert server.call("PATCH", f"{routes}/good", patch, media=MERGE).code == 422


def test_routes_get_the_defaults_of_their_schema(server: RunningServer, routes: str) -> None:
    rule = {"backendRefs": [{"name": "b", "port": 80}]}
    body = {"metadata": {"name": "r"}, "spec": {"parentRefs": [{"name": "g"}], "rules": [rule]}}
    spec = server.call("POST", routes, body).body["spec"]
    parent = {"name": "g", "group": "gateway.networking.k8s.io", "kind": "Gateway"}
    backend = {"name": "b", "port": 80, "group": "", "kind": "Service", "weight": 1}
    match = {"path": {"type": "PathPrefix", "value": "/"}}
    assert spec == {
        "parentRefs": [parent],
        "rules": [{"matches": [match], "backendRefs": [backend]}],
    }


def test_key_files_are_private(server: RunningServer) -> None:
    files = [server.kubeconfig, *server.state.iterdir()]
    secret = [one for one in files if isinstance(one, Path) and "sqlite" not in one.name]
    assert len(secret) >= 5
    assert {one.name: one.stat().st_mode & 0o777 for one in secret} == {
        one.name: 0o600 for one in secret
    }
    assert server.state.stat().st_mode & 0o777 == 0o700
