"""Routing of a running gateway: weights, header rules, problems and their statuses."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.local.gateway.backends import Backend
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.local.gateway.serving import NAMESPACE, backend_ref, post_all, serve
from tests.waiting import eventually

Start = Callable[..., Backend]


def test_requests_follow_the_weights_and_metrics_tell_revisions_apart(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    for name in ("weights-v1", "weights-v2", "weights-v3"):
        cluster.service(NAMESPACE, name, backend(name).port)
    url = serve(
        cluster, gateway, "weights",
        backend_ref("weights-v1", 80), backend_ref("weights-v2", 20), backend_ref("weights-v3", 0),
    )  # fmt: skip
    answers = asyncio.run(post_all(f"{url}/v2/models/m/infer?x=%2f", 400))
    counts = Counter(body["backend"] for _, body in answers)
    assert {status for status, _ in answers} == {200}
    assert set(counts) == {"weights-v1", "weights-v2"}
    # Binomial with deviation 8; the seed of the test's gateway makes it the same every time.
    assert counts["weights-v2"] == pytest.approx(80, abs=40)
    for _, body in answers:
        assert body["target"] == "/v2/models/m/infer?x=%2f"
        assert body["headers"]["x-headrace-revision"] == body["backend"]
        assert json.loads(body["body"]) == {"inputs": [1]}
    for revision, count in counts.items():
        labels = {"namespace": NAMESPACE, "route": "weights", "revision": revision}
        labels["backend"] = f"{NAMESPACE}/{revision}:80"
        requests = "headrace_gateway_requests_total"
        assert gateway.metric(requests, code="200", **labels) == count
        durations = "headrace_gateway_request_duration_seconds_count"
        assert gateway.metric(durations, **labels) == count
        assert gateway.metric("headrace_gateway_requests_in_flight", **labels) == 0


def test_a_flip_under_continuous_load_fails_no_request(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    for name in ("flip-v1", "flip-v2"):
        cluster.service(NAMESPACE, name, backend(name).port)
    references = (backend_ref("flip-v1", 100), backend_ref("flip-v2", 0))
    url = serve(cluster, gateway, "flip", *references)
    answers, after = asyncio.run(_flip_under_load(cluster, url))
    assert {status for status, _ in answers} == {200}
    assert {body["backend"] for _, body in answers} == {"flip-v1", "flip-v2"}
    assert {body["backend"] for _, body in after} == {"flip-v2"}


async def _flip_under_load(cluster: Cluster, url: str) -> tuple[list[Any], list[Any]]:
    answers: list[Any] = []
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            answers.extend(await post_all(url, 20))

    loads = [asyncio.create_task(load()) for _ in range(4)]
    await asyncio.to_thread(eventually, lambda: len(answers) > 100, "requests before the flip")
    weights = [
        {"op": "replace", "path": f"/spec/rules/0/backendRefs/{index}/weight", "value": value}
        for index, value in ((0, 0), (1, 100))
    ]
    await asyncio.to_thread(cluster.patch_route, NAMESPACE, "flip", weights)
    await asyncio.to_thread(
        eventually, lambda: cluster.conditions(NAMESPACE, "flip"), "the flip is programmed"
    )
    reached = len(answers)
    await asyncio.to_thread(
        eventually, lambda: len(answers) > reached + 100, "requests after the flip"
    )
    stop.set()
    await asyncio.gather(*loads)
    return answers, await post_all(url, 20)


def test_a_backend_without_ready_endpoints_answers_503_for_its_share(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    cluster.service(NAMESPACE, "ready-v1", backend("ready-v1").port)
    cluster.service(NAMESPACE, "ready-v2", backend("ready-v2").port, ready=False)
    url = serve(cluster, gateway, "ready", backend_ref("ready-v1"), backend_ref("ready-v2"))
    answers = asyncio.run(post_all(url, 100))
    assert Counter(status for status, _ in answers)[503] == pytest.approx(50, abs=25)
    assert {body["backend"] for status, body in answers if status == 200} == {"ready-v1"}
    refusal = next(body for status, body in answers if status == 503)
    assert refusal["reason"] == "NoReadyEndpoint"
    assert "tenant-acme/ready-v2:80" in refusal["error"]
    cluster.discovery.patch_namespaced_endpoint_slice(
        "ready-v2-0",
        NAMESPACE,
        [{"op": "replace", "path": "/endpoints/0/conditions/ready", "value": True}],
    )
    eventually(
        lambda: all(gateway.backends("ready").values()), "the endpoint's readiness is programmed"
    )
    assert {status for status, _ in asyncio.run(post_all(url, 20))} == {200}


def test_endpoints_take_turns_and_one_that_goes_gets_nothing_more(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    one, two = backend("one"), backend("two")
    cluster.service(NAMESPACE, "turns", one.port, two.port)
    url = serve(cluster, gateway, "turns", backend_ref("turns"))
    asyncio.run(post_all(url, 20))
    assert (len(one.seen), len(two.seen)) == (10, 10)
    cluster.discovery.delete_namespaced_endpoint_slice("turns-1", NAMESPACE)
    eventually(
        lambda: len(gateway.backends("turns")[f"{NAMESPACE}/turns:80"]) == 1, "one endpoint left"
    )
    asyncio.run(post_all(url, 5))
    assert (len(one.seen), len(two.seen)) == (15, 10)


def test_a_header_rule_sends_its_callers_elsewhere(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    for name in ("header-v1", "header-v2"):
        cluster.service(NAMESPACE, name, backend(name).port)
    header = {"name": "X-Canary", "value": "always"}
    path = {"type": "PathPrefix", "value": "/serving/header"}
    answered = {"set": [{"name": "X-Served-By", "value": "canary"}], "remove": ["X-Backend"]}
    canary = {
        "matches": [{"path": path, "headers": [header]}],
        "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": answered}],
        "backendRefs": [backend_ref("header-v2")],
    }
    url = serve(cluster, gateway, "header", backend_ref("header-v1"), rules=[canary])

    async def ask(headers: dict[str, str]) -> tuple[str, Any]:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{url}/x") as response,
        ):
            return (await response.json())["backend"], response.headers

    name, headers = asyncio.run(ask({}))
    assert (name, headers["X-Backend"]) == ("header-v1", "header-v1")
    name, headers = asyncio.run(ask({"x-canary": "always"}))
    assert (name, headers["X-Served-By"]) == ("header-v2", "canary")
    assert "X-Backend" not in headers


def test_a_missing_service_is_500_until_it_comes(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    url = serve(cluster, gateway, "missing", backend_ref("missing"))
    conditions = cluster.conditions(NAMESPACE, "missing")
    assert conditions == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("False", "BackendNotFound"),
    }
    assert {status for status, _ in asyncio.run(post_all(url, 3))} == {500}
    cluster.service(NAMESPACE, "missing", backend("missing").port)
    eventually(lambda: gateway.backends("missing")[f"{NAMESPACE}/missing:80"], "it is found")
    assert {status for status, _ in asyncio.run(post_all(url, 3))} == {200}
    eventually(
        lambda: (cluster.conditions(NAMESPACE, "missing") or {})["ResolvedRefs"][0] == "True",
        "its status says so",
    )


def test_another_namespace_needs_a_reference_grant(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    cluster.service("tenant-globex", "foreign", backend("foreign").port)
    reference = backend_ref("foreign", namespace="tenant-globex")
    url = serve(cluster, gateway, "foreign", reference)
    conditions = cluster.conditions(NAMESPACE, "foreign")
    assert conditions is not None
    assert conditions["ResolvedRefs"] == ("False", "RefNotPermitted")
    assert {status for status, _ in asyncio.run(post_all(url, 3))} == {500}


def test_a_path_cannot_climb_out_of_its_route(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    mine, other = backend("mine"), backend("other")
    cluster.service(NAMESPACE, "climb-mine", mine.port)
    cluster.service(NAMESPACE, "climb-other", other.port)
    serve(cluster, gateway, "climb-mine", backend_ref("climb-mine"))
    serve(cluster, gateway, "climb-other", backend_ref("climb-other"))
    raw = asyncio.run(_raw_get(gateway.port, "/serving/climb-mine/%2e%2e/climb-other/x"))
    assert b"200 OK" in raw
    assert [seen["target"] for seen in other.seen] == ["/x"]
    assert mine.seen == []


async def _raw_get(port: int, target: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


def test_a_redirect_answers_by_itself(cluster: Cluster, gateway: RunningGateway) -> None:
    path = {"type": "PathPrefix", "value": "/serving/moved-away"}
    change = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/elsewhere"}
    redirect = {"path": change, "statusCode": 301}
    rule = {
        "matches": [{"path": path}],
        "filters": [{"type": "RequestRedirect", "requestRedirect": redirect}],
    }
    serve(cluster, gateway, "moved", rules=[rule])
    raw = asyncio.run(_raw_get(gateway.port, "/serving/moved-away/x?q=1")).decode()
    assert "301 Moved Permanently" in raw
    assert f"Location: http://h:{gateway.port}/elsewhere/x?q=1" in raw


def test_unknown_paths_and_routes_of_other_gateways_are_404(
    cluster: Cluster, gateway: RunningGateway
) -> None:
    spec = {"parentRefs": [{"name": "other"}], "rules": [{}]}
    cluster.create_route(NAMESPACE, "elsewhere", spec)
    serve(cluster, gateway, "beside")
    ((status, answer),) = asyncio.run(post_all(f"{gateway.url}/nothing/here", 1))
    assert (status, answer["reason"]) == (404, "NoRoute")
    assert "status" not in cluster.route(NAMESPACE, "elsewhere")


def test_a_route_that_leaves_the_gateway_loses_its_status_and_its_requests(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    cluster.service(NAMESPACE, "leaving", backend("leaving").port)
    url = serve(cluster, gateway, "leaving", backend_ref("leaving"))
    assert {status for status, _ in asyncio.run(post_all(url, 1))} == {200}
    change = [{"op": "replace", "path": "/spec/parentRefs/0/name", "value": "other"}]
    cluster.patch_route(NAMESPACE, "leaving", change)
    eventually(
        lambda: cluster.route(NAMESPACE, "leaving")["status"]["parents"] == [], "it is let go"
    )
    assert {status for status, _ in asyncio.run(post_all(url, 1))} == {404}


def test_the_gateway_is_seeded_and_its_status_counts_routes(
    cluster: Cluster, gateway: RunningGateway
) -> None:
    serve(cluster, gateway, "counted")

    def status() -> dict[str, Any]:
        found: dict[str, Any] = cluster.custom.get_namespaced_custom_object(
            "gateway.networking.k8s.io", "v1", "headrace-system", "gateways", "headrace"
        )
        return dict(found["status"])

    routes = json.loads(gateway.operations("/routes"))["routes"]
    eventually(
        lambda: status()["listeners"][0]["attachedRoutes"] == len(routes), "routes are counted"
    )
    verdicts = {(c["type"], c["status"]) for c in status()["conditions"]}
    assert verdicts == {("Accepted", "True"), ("Programmed", "True")}
    found = cluster.custom.get_cluster_custom_object(
        "gateway.networking.k8s.io", "v1", "gatewayclasses", "headrace"
    )
    assert found["status"]["conditions"][0]["status"] == "True"
