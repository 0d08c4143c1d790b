"""Watches: order, selection, resumption, bookmarks and the end of the history."""

import itertools
import threading
from collections.abc import Iterator

import kubernetes

from tests.local.kubernetes_api.running_server import MERGE, Json, RunningServer
from tests.waiting import eventually


def short(events: Iterator[Json], count: int) -> list[tuple[str, str]]:
    return [
        (event["type"], event["object"]["metadata"]["name"])
        for event in itertools.islice(events, count)
    ]


def test_a_watch_goes_on_from_a_list(server: RunningServer, config_maps: str) -> None:
    version = server.call("GET", config_maps).rv
    server.call("POST", config_maps, {"metadata": {"name": "a"}})
    server.call("PATCH", f"{config_maps}/a", {"data": {"v": "1"}}, media=MERGE)
    server.call("DELETE", f"{config_maps}/a")
    events = list(server.watch(f"{config_maps}?watch=1&resourceVersion={version}&timeoutSeconds=1"))
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert versions[0] > version
    half = f"{config_maps}?watch=1&resourceVersion={versions[0]}&timeoutSeconds=1"
    assert [event["type"] for event in server.watch(half)] == ["MODIFIED", "DELETED"]


def test_a_watch_without_version_begins_with_what_is_there(
    server: RunningServer, config_maps: str
) -> None:
    server.call("POST", config_maps, {"metadata": {"name": "a"}})
    for query in ("watch=true", "watch=1&resourceVersion=0"):
        events = server.watch(f"{config_maps}?{query}&timeoutSeconds=1")
        assert short(events, 9) == [("ADDED", "a")]


def test_events_arrive_while_watching(server: RunningServer, config_maps: str) -> None:
    version = server.call("GET", config_maps).rv
    seen: list[tuple[str, str]] = []
    path = f"{config_maps}?watch=1&resourceVersion={version}&timeoutSeconds=10"
    watcher = threading.Thread(target=lambda: seen.extend(short(server.watch(path), 2)))
    watcher.start()
    server.call("POST", config_maps, {"metadata": {"name": "a"}})
    server.call("POST", config_maps, {"metadata": {"name": "b"}})
    watcher.join(5)
    assert seen == [("ADDED", "a"), ("ADDED", "b")]


def test_a_selected_object_that_no_longer_matches_is_deleted_to_the_watcher(
    server: RunningServer, config_maps: str
) -> None:
    version = server.call("GET", config_maps).rv
    server.call("POST", config_maps, {"metadata": {"name": "a"}})
    for label in ("gold", "silver", "gold"):
        patch = {"metadata": {"labels": {"tier": label}}}
        server.call("PATCH", f"{config_maps}/a", patch, media=MERGE)
    query = f"watch=1&resourceVersion={version}&timeoutSeconds=1&labelSelector=tier%3Dgold"
    assert short(server.watch(f"{config_maps}?{query}"), 9) == [
        ("ADDED", "a"),
        ("DELETED", "a"),
        ("ADDED", "a"),
    ]


def test_one_object_is_watched_by_name(server: RunningServer, config_maps: str) -> None:
    version = server.call("GET", config_maps).rv
    for name in "ab":
        server.call("POST", config_maps, {"metadata": {"name": name}})
    query = f"watch=1&resourceVersion={version}&timeoutSeconds=1"
    assert short(server.watch(f"{config_maps}/b?{query}"), 9) == [("ADDED", "b")]
    by_field = f"{config_maps}?{query}&fieldSelector=metadata.name%3Da"
    assert short(server.watch(by_field), 9) == [("ADDED", "a")]


def test_bookmarks_come_before_the_end(server: RunningServer, config_maps: str) -> None:
    query = "watch=1&allowWatchBookmarks=true&timeoutSeconds=1"
    last = list(server.watch(f"{config_maps}?{query}"))[-1]
    assert last["type"] == "BOOKMARK"
    assert int(last["object"]["metadata"]["resourceVersion"]) <= server.call("GET", config_maps).rv
    assert last["object"]["kind"] == "ConfigMap"
    silent = f"{config_maps}?watch=1&timeoutSeconds=1"
    assert list(server.watch(silent)) == []


def test_initial_events_end_with_a_bookmark(server: RunningServer, config_maps: str) -> None:
    server.call("POST", config_maps, {"metadata": {"name": "a"}})
    query = (
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        "&allowWatchBookmarks=true&timeoutSeconds=5"
    )
    first, second = itertools.islice(server.watch(f"{config_maps}?{query}"), 2)
    assert first["type"] == "ADDED"
    assert second["type"] == "BOOKMARK"
    annotations = second["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


def test_a_version_out_of_reach_is_gone(own_server: RunningServer) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    first = own_server.call("POST", path, {"metadata": {"name": "a"}}).rv
    for number in range(45):
        own_server.call("PATCH", f"{path}/a", {"data": {"n": str(number)}}, media=MERGE)
    events = list(own_server.watch(f"{path}?watch=1&resourceVersion={first}&timeoutSeconds=5"))
    assert [event["type"] for event in events] == ["ERROR"]
    assert events[0]["object"]["code"] == 410
    assert events[0]["object"]["reason"] == "Expired"
    future = own_server.call("GET", f"{path}?watch=1&resourceVersion=999999")
    assert future.code == 410


def test_the_official_client_watches_and_is_told_of_410(own_server: RunningServer) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    with own_server.client() as client:
        core = kubernetes.client.CoreV1Api(client)
        own_server.call("POST", path, {"metadata": {"name": "a"}})
        watch = kubernetes.watch.Watch()
        stream = watch.stream(core.list_namespaced_config_map, "default", timeout_seconds=5)
        event = next(stream)
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "a")
        watch.stop()
        for number in range(45):
            own_server.call("PATCH", f"{path}/a", {"data": {"n": str(number)}}, media=MERGE)
        late = kubernetes.watch.Watch().stream(
            core.list_namespaced_config_map, "default", resource_version="2", timeout_seconds=5
        )
        status = None
        try:
            next(late)
        except kubernetes.client.ApiException as gone:
            status = gone.status
        assert status == 410


def test_a_watch_ends_when_the_server_stops(own_server: RunningServer) -> None:
    path = "/api/v1/namespaces/default/configmaps?watch=1"
    started = threading.Event()

    def follow() -> None:
        with own_server.open("GET", path) as response:
            started.set()
            response.read()

    watcher = threading.Thread(target=follow, daemon=True)
    watcher.start()
    assert started.wait(5)
    assert own_server.stop() == 0
    eventually(lambda: not watcher.is_alive(), "the watch ended")
