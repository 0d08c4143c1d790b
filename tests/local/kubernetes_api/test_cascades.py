"""Finalizers, owners and namespaces: what a deletion waits for and what it takes along."""

from typing import Any

from tests.local.kubernetes_api.running_server import MERGE, Json, RunningServer
from tests.local.kubernetes_api.samples import inference_service
from tests.waiting import eventually


def gone(server: RunningServer, path: str) -> None:
    eventually(lambda: server.call("GET", path).code == 404, f"{path} is gone")


def owned(name: str, *owners: Json, **metadata: Any) -> Json:
    references = [
        {
            "apiVersion": owner.get("apiVersion", "v1"),
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    return {"metadata": {"name": name, "ownerReferences": references, **metadata}}


def finish(server: RunningServer, path: str) -> None:
    patch = {"metadata": {"finalizers": None}}
    assert server.call("PATCH", path, patch, media=MERGE).code == 200


def test_finalizers_hold_a_deletion_back(server: RunningServer, services: str) -> None:
    body = inference_service("iris")
    body["metadata"]["finalizers"] = ["example.com/wait"]
    server.call("POST", services, body)
    marked = server.call("DELETE", f"{services}/iris").body
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["generation"] == 2
    again = server.call("DELETE", f"{services}/iris")
    assert again.rv == int(marked["metadata"]["resourceVersion"])
    more = {"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}}
    assert server.call("PATCH", f"{services}/iris", more, media=MERGE).code == 422
    assert server.call("POST", services, body).code == 409
    finish(server, f"{services}/iris")
    assert server.call("GET", f"{services}/iris").code == 404


def test_dependents_go_with_their_owner(
    server: RunningServer, services: str, config_maps: str
) -> None:
    owner = server.call("POST", services, inference_service("iris")).body
    child = server.call("POST", config_maps, owned("child", owner)).body
    server.call("POST", config_maps, owned("grandchild", child))
    server.call("POST", config_maps, {"metadata": {"name": "stranger"}})
    assert server.call("DELETE", f"{services}/iris").body["status"] == "Success"
    gone(server, f"{config_maps}/child")
    gone(server, f"{config_maps}/grandchild")
    assert server.call("GET", f"{config_maps}/stranger").code == 200


def test_one_living_owner_is_enough(server: RunningServer, config_maps: str) -> None:
    first = server.call("POST", config_maps, {"metadata": {"name": "first"}}).body
    second = server.call("POST", config_maps, {"metadata": {"name": "second"}}).body
    server.call("POST", config_maps, owned("child", first, second))
    server.call("POST", config_maps, owned("witness", first))
    server.call("DELETE", f"{config_maps}/first")
    gone(server, f"{config_maps}/witness")
    assert server.call("GET", f"{config_maps}/child").code == 200
    server.call("DELETE", f"{config_maps}/second")
    gone(server, f"{config_maps}/child")


def test_an_object_of_a_gone_owner_does_not_last(server: RunningServer, config_maps: str) -> None:
    owner = server.call("POST", config_maps, {"metadata": {"name": "owner"}}).body
    server.call("DELETE", f"{config_maps}/owner")
    server.call("POST", config_maps, {"metadata": {"name": "owner"}})  # same name, another uid
    server.call("POST", config_maps, owned("late", owner))
    gone(server, f"{config_maps}/late")


def test_foreground_waits_for_dependents(server: RunningServer, config_maps: str) -> None:
    owner = server.call("POST", config_maps, {"metadata": {"name": "owner"}}).body
    child = owned("child", owner, finalizers=["example.com/wait"])
    server.call("POST", config_maps, child)
    path = f"{config_maps}/owner?propagationPolicy=Foreground"
    marked = server.call("DELETE", path).body
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    eventually(
        lambda: "deletionTimestamp" in server.call("GET", f"{config_maps}/child").body["metadata"],
        "the child is being deleted",
    )
    assert server.call("GET", f"{config_maps}/owner").code == 200
    finish(server, f"{config_maps}/child")
    gone(server, f"{config_maps}/owner")


def test_orphans_stay_without_their_owner(server: RunningServer, config_maps: str) -> None:
    owner = server.call("POST", config_maps, {"metadata": {"name": "owner"}}).body
    server.call("POST", config_maps, owned("child", owner))
    server.call("DELETE", f"{config_maps}/owner", {"propagationPolicy": "Orphan"})
    child = server.call("GET", f"{config_maps}/child").body
    assert "ownerReferences" not in child["metadata"]
    assert server.call("DELETE", f"{config_maps}/child?propagationPolicy=Some").code == 400


def test_a_namespace_goes_with_its_contents(
    server: RunningServer, namespace: str, services: str, config_maps: str
) -> None:
    server.call("POST", config_maps, {"metadata": {"name": "plain"}})
    body = inference_service("held")
    body["metadata"]["finalizers"] = ["example.com/wait"]
    server.call("POST", services, body)
    deleted = server.call("DELETE", f"/api/v1/namespaces/{namespace}").body
    assert deleted["status"]["phase"] == "Terminating"
    gone(server, f"{config_maps}/plain")
    refused = server.call("POST", config_maps, {"metadata": {"name": "late"}})
    assert refused.code == 403
    label = {"metadata": {"labels": {"a": "b"}}}
    path = f"/api/v1/namespaces/{namespace}"
    assert server.call("PATCH", path, label, media=MERGE).code == 200
    assert server.call("GET", path).code == 200
    finish(server, f"{services}/held")
    gone(server, path)
    again = server.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    assert again.code == 201
    assert server.call("GET", config_maps).body["items"] == []


def test_a_refused_cascade_does_not_stop_the_others(own_server: RunningServer) -> None:
    path = "/api/v1/namespaces/default"
    owner = own_server.call("POST", f"{path}/configmaps", {"metadata": {"name": "owner"}}).body
    own_server.call("PATCH", path, owned("default", owner), media=MERGE)
    own_server.call("POST", f"{path}/configmaps", owned("child", owner))
    own_server.call("DELETE", f"{path}/configmaps/owner")
    gone(own_server, f"{path}/configmaps/child")
    late = own_server.call("POST", f"{path}/configmaps", owned("late", owner))
    assert late.code == 201
    gone(own_server, f"{path}/configmaps/late")
    assert own_server.call("GET", path).code == 200
    assert "default stays" in own_server.log
