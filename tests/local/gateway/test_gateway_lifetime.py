"""The gateway over outages and restarts: of the Kubernetes API, and its own."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.local.gateway.backends import Backend, Loop
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.local.gateway.serving import NAMESPACE, backend_ref, post_all, serve
from tests.waiting import eventually

FOLLOWED = {"httproutes", "services", "endpointslices", "gateways"}
Start = Callable[..., Backend]


@pytest.fixture
def other_gateway(cluster: Cluster, tmp_path: Path) -> Iterator[RunningGateway]:
    """A gateway of its own, which a test may stop."""
    running = RunningGateway(cluster, tmp_path, name="other")
    running.start()
    yield running
    running.process.stop()


def test_routing_outlives_the_kubernetes_api_and_follows_it_again(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    for name in ("outage-v1", "outage-v2"):
        cluster.service(NAMESPACE, name, backend(name).port)
    url = serve(cluster, gateway, "outage", backend_ref("outage-v1"), backend_ref("outage-v2", 0))
    quiet = len(gateway.process.log.read_text())
    cluster.process.stop()
    try:
        eventually(
            lambda: _failing_watches(gateway.process.log.read_text()[quiet:]) >= FOLLOWED,
            "the gateway has noticed the outage",
        )
        answers = asyncio.run(post_all(url, 20))
        assert {(status, body["backend"]) for status, body in answers} == {(200, "outage-v1")}
        assert gateway.is_ready()
    finally:
        cluster.start()
    weights = [
        {"op": "replace", "path": f"/spec/rules/0/backendRefs/{index}/weight", "value": value}
        for index, value in ((0, 0), (1, 1))
    ]
    cluster.patch_route(NAMESPACE, "outage", weights)
    eventually(lambda: cluster.conditions(NAMESPACE, "outage"), "the change is programmed")
    answers = asyncio.run(post_all(url, 20))
    assert {(status, body["backend"]) for status, body in answers} == {(200, "outage-v2")}


def _failing_watches(log: str) -> set[str]:
    return set(re.findall(r"watch of \S*/(\w+): .*; trying again", log))


def test_the_end_waits_for_requests_in_flight(
    cluster: Cluster, other_gateway: RunningGateway, backend: Start, loop: Loop
) -> None:
    gate = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.json_response({"done": True})

    slow_backend = backend("draining", slow)
    cluster.service(NAMESPACE, "draining", slow_backend.port)
    url = serve(cluster, other_gateway, "draining", backend_ref("draining"))

    def in_flight() -> float:
        return other_gateway.metric("headrace_gateway_requests_in_flight", route="draining")

    async def ask() -> tuple[int, dict[str, Any]]:
        asking = asyncio.create_task(post_all(url, 1))
        await asyncio.to_thread(slow_backend.arrived.wait, 5)
        other_gateway.process.terminate()
        await asyncio.to_thread(eventually, lambda: _refuses(other_gateway.port), "it stops")
        # While it waits it still tells about itself; one that did not wait would be gone by now.
        waiting = [await asyncio.to_thread(in_flight) for _ in range(30)]
        assert set(waiting) == {1.0}
        loop.call(gate.set)
        return (await asking)[0]

    assert asyncio.run(ask()) == (200, {"done": True})
    assert other_gateway.process.wait() == 0


def _refuses(port: int) -> bool:
    async def connect() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    try:
        asyncio.run(connect())
    except OSError:
        return True
    return False


def test_two_gateways_leave_each_other_and_unchanged_routes_alone(
    cluster: Cluster, gateway: RunningGateway, other_gateway: RunningGateway
) -> None:
    serve(cluster, gateway, "alone")
    before = cluster.route(NAMESPACE, "alone")
    # By the time that later routes have their statuses, both have looked at all again.
    serve(cluster, gateway, "alone-later")
    serve(cluster, other_gateway, "alone-elsewhere")
    serve(cluster, gateway, "alone-last")
    assert cluster.route(NAMESPACE, "alone") == before


def test_the_listener_follows_the_port_of_a_restarted_gateway(
    cluster: Cluster, other_gateway: RunningGateway, backend: Start, tmp_path: Path
) -> None:
    cluster.service(NAMESPACE, "moving", backend("moving").port)
    serve(cluster, other_gateway, "moving", backend_ref("moving"))
    again = RunningGateway(cluster, tmp_path, name="other")
    other_gateway.process.stop()
    again.start()
    try:
        (answer,) = asyncio.run(post_all(f"{again.url}/serving/moving", 1))
        assert answer[0] == 200
    finally:
        again.process.stop()
        other_gateway.process.start()
