"""Lists: selectors, pages and collections."""

import urllib.parse

import kubernetes
import pytest

from tests.local.kubernetes_api.running_server import MERGE, RunningServer

LABELS = {
    "a": {"tier": "gold", "zone": "x"},
    "b": {"tier": "silver", "zone": "y"},
    "c": {"tier": "bronze"},
    "d": {},
}


@pytest.fixture
def filled(server: RunningServer, config_maps: str) -> str:
    for name, labels in LABELS.items():
        body = {"metadata": {"name": name, "labels": labels}}
        assert server.call("POST", config_maps, body).code == 201
    return config_maps


def names(server: RunningServer, path: str, **query: str) -> list[str]:
    found = server.call("GET", f"{path}?{urllib.parse.urlencode(query)}")
    assert found.code == 200, found.body
    return [item["metadata"]["name"] for item in found.body["items"]]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=gold", "a"),
        ("tier==gold", "a"),
        ("tier!=gold", "bcd"),
        ("tier in (gold, silver)", "ab"),
        ("tier notin (gold,silver)", "cd"),
        ("zone", "ab"),
        ("!zone", "cd"),
        ("tier in (gold,silver),zone!=x", "b"),
        ("tier=", ""),
        ("", "abcd"),
    ],
)
def test_label_selectors(server: RunningServer, filled: str, selector: str, expected: str) -> None:
    assert "".join(names(server, filled, labelSelector=selector)) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [("metadata.name=b", "b"), ("metadata.name!=b", "acd"), ("metadata.namespace=other", "")],
)
def test_field_selectors(server: RunningServer, filled: str, selector: str, expected: str) -> None:
    assert "".join(names(server, filled, fieldSelector=selector)) == expected


def test_a_broken_selector_is_refused(server: RunningServer, filled: str) -> None:
    for query in ("labelSelector=a%20b", "labelSelector=in(", "fieldSelector=nonsense"):
        assert server.call("GET", f"{filled}?{query}").code == 400


def test_lists_span_namespaces(server: RunningServer, filled: str, namespace: str) -> None:
    everywhere = names(
        server, "/api/v1/configmaps", fieldSelector=f"metadata.namespace={namespace}"
    )
    assert everywhere == list("abcd")


def test_pages_show_the_list_as_it_was(server: RunningServer, filled: str) -> None:
    first = server.call("GET", f"{filled}?limit=2").body
    assert [item["metadata"]["name"] for item in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 2
    server.call("DELETE", f"{filled}/d")
    server.call("POST", filled, {"metadata": {"name": "bb"}})
    server.call("PATCH", f"{filled}/c", {"data": {"new": "1"}}, media=MERGE)
    token = first["metadata"]["continue"]
    second = server.call("GET", f"{filled}?limit=9&continue={token}").body
    assert [item["metadata"]["name"] for item in second["items"]] == ["c", "d"]
    assert "data" not in second["items"][0]
    assert "continue" not in second["metadata"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert server.call("GET", f"{filled}?continue=nonsense").code == 400


def test_a_page_token_expires_with_the_history(own_server: RunningServer) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    for name in "ab":
        own_server.call("POST", path, {"metadata": {"name": name}})
    token = own_server.call("GET", f"{path}?limit=1").body["metadata"]["continue"]
    for number in range(45):
        own_server.call("PATCH", f"{path}/a", {"data": {"n": str(number)}}, media=MERGE)
    late = own_server.call("GET", f"{path}?limit=1&continue={token}")
    assert (late.code, late.body["reason"]) == (410, "Expired")


def test_a_collection_is_deleted_by_selector(
    server: RunningServer, filled: str, client: kubernetes.client.ApiClient, namespace: str
) -> None:
    core = kubernetes.client.CoreV1Api(client)
    core.delete_collection_namespaced_config_map(namespace, label_selector="zone")
    assert names(server, filled) == ["c", "d"]
    core.delete_collection_namespaced_config_map(namespace)
    assert names(server, filled) == []
