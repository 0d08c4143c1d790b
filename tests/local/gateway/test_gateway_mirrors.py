"""Mirrors of a running gateway: copies arrive, and callers never notice them."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.local.gateway.backends import Backend, Gate, Loop
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.local.gateway.serving import NAMESPACE, post_all, served
from tests.waiting import eventually

Start = Callable[..., Backend]
MEGABYTE = 1024 * 1024


def mirror_filter(name: str, **share: int) -> dict[str, Any]:
    mirror = {"backendRef": {"name": name, "port": 80}, **share}
    return {"type": "RequestMirror", "requestMirror": mirror}


def test_a_mirror_gets_copies_and_its_answers_do_not_matter(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        copied.append((request.raw_path, dict(request.headers), await request.read()))
        return web.Response(status=500)

    copied: list[tuple[str, dict[str, str], bytes]] = []
    cluster.service(NAMESPACE, "shadow-predictor", backend("shadow", fail).port)
    filters = [mirror_filter("shadow-predictor", percent=100), mirror_filter("absent", percent=0)]
    url = served(cluster, gateway, "mirrored", backend("mirrored"), filters=filters)
    answers = asyncio.run(post_all(f"{url}/infer", 10))
    assert {(status, body["backend"]) for status, body in answers} == {(200, "mirrored")}
    eventually(lambda: len(copied) == 10, "all copies arrive")
    for target, headers, body in copied:
        assert (target, body) == ("/infer", b'{"inputs": [1]}')
        # The header names the revision that answers, which the mirror is not.
        assert "x-headrace-revision" not in headers
    name = "headrace_gateway_mirrored_requests_total"
    backend_label = f"{NAMESPACE}/shadow-predictor:80"
    labels = {"namespace": NAMESPACE, "route": "mirrored", "backend": backend_label}
    labels["revision"] = "shadow"
    eventually(lambda: gateway.metric(name, code="500", **labels) == 10, "copies are counted")
    durations = "headrace_gateway_mirrored_request_duration_seconds"
    assert gateway.metric(f"{durations}_count", **labels) == 10
    assert gateway.metric(f"{durations}_sum", **labels) > 0
    assert gateway.metric(name, backend=f"{NAMESPACE}/absent:80") == 0
    # They are none of the requests that callers made.
    requests = "headrace_gateway_requests_total"
    assert gateway.metric(requests, route="mirrored") == 10
    assert gateway.metric(requests, route="mirrored", backend=backend_label) == 0


@pytest.mark.parametrize(
    ("name", "share"),
    [("tenth", {"percent": 10}), ("third", {"fraction": {"numerator": 1, "denominator": 3}})],
)
def test_a_mirror_gets_its_share(
    cluster: Cluster, gateway: RunningGateway, backend: Start, name: str, share: dict[str, Any]
) -> None:
    shadow = backend(f"{name}-shadow")
    cluster.service(NAMESPACE, f"{name}-shadow", shadow.port)
    filters = [mirror_filter(f"{name}-shadow", **share)]
    url = served(cluster, gateway, name, backend(name), filters=filters)

    asyncio.run(post_all(url, 300))

    def counted() -> float:
        counts = "headrace_gateway_mirrored_requests_total"
        return gateway.metric(counts, route=name, code="200")

    # The gateway's seed is fixed, the order of other tests is not: six standard deviations.
    expected = {"tenth": 30, "third": 100}[name]
    deviation = (expected * (1 - expected / 300)) ** 0.5
    eventually(lambda: counted() == len(shadow.seen) > 0, "all copies are counted")
    assert abs(counted() - expected) < 6 * deviation


def test_a_mirror_that_nobody_answers_for_has_no_duration(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    cluster.service(NAMESPACE, "empty-predictor")
    filters = [mirror_filter("empty-predictor")]
    url = served(cluster, gateway, "unmirrored", backend("unmirrored"), filters=filters)

    asyncio.run(post_all(url, 3))

    counts = "headrace_gateway_mirrored_requests_total"
    eventually(
        lambda: gateway.metric(counts, revision="empty", code="unavailable") == 3, "the count"
    )
    durations = "headrace_gateway_mirrored_request_duration_seconds_count"
    assert gateway.metric(durations, revision="empty") == 0


def test_the_start_of_the_gateway_is_told(gateway: RunningGateway) -> None:
    started = gateway.metric("process_start_time_seconds")

    assert 0 < time.time() - started < 3600


def test_a_mirror_that_hangs_delays_nobody_and_is_bounded(
    cluster: Cluster, gateway: RunningGateway, backend: Start, loop: Loop
) -> None:
    gate = Gate(loop)

    async def hang(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    cluster.service(NAMESPACE, "stuck", backend("stuck", hang).port)
    filters = [mirror_filter("stuck")]
    url = served(cluster, gateway, "unhurried", backend("unhurried"), filters=filters)
    started = time.monotonic()
    answers = asyncio.run(post_all(url, 100))
    assert {status for status, _ in answers} == {200}
    assert time.monotonic() - started < 3
    name, labels = "headrace_gateway_mirrored_requests_total", {"route": "unhurried"}
    assert gateway.metric(name, code="dropped", **labels) == 100 - 64
    gate.open()
    eventually(lambda: gateway.metric(name, code="200", **labels) == 64, "the others finish")


def test_a_body_too_large_to_copy_still_reaches_its_backend(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    shadow = backend("small-shadow")
    cluster.service(NAMESPACE, "small-shadow", shadow.port)

    async def measure(request: web.Request) -> web.StreamResponse:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        return web.json_response(size)

    filters = [mirror_filter("small-shadow")]
    url = served(cluster, gateway, "large", backend("large", measure), filters=filters)

    async def send() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=b"x" * 3 * MEGABYTE) as response,
        ):
            return await response.json()

    assert asyncio.run(send()) == 3 * MEGABYTE
    name = "headrace_gateway_mirrored_requests_total"
    assert gateway.metric(name, route="large", code="too_large") == 1
    assert shadow.seen == []
