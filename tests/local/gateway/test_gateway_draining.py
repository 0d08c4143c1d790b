"""What is in flight stays in flight: a streamed answer outlives its backend's place in the route."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.local.gateway.backends import Backend, Gate, Loop
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.local.gateway.serving import DEADLINE, NAMESPACE, backend_ref, post_all, serve
from tests.waiting import eventually

Start = Callable[..., Backend]
Change = Callable[[Cluster, RunningGateway, str], None]
REFERENCES = "/spec/rules/0/backendRefs"


def streaming(gate: Gate) -> Callable[[web.Request], Any]:
    """An answer whose second half waits for the gate."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first,")
        await gate.wait()
        await response.write(b"second")
        await response.write_eof()
        return response

    return answer


def take_weight(cluster: Cluster, gateway: RunningGateway, name: str) -> None:
    weights = [(0, 0), (1, 100)]
    cluster.patch_route(
        NAMESPACE,
        name,
        [
            {"op": "replace", "path": f"{REFERENCES}/{index}/weight", "value": weight}
            for index, weight in weights
        ],
    )
    eventually(lambda: cluster.conditions(NAMESPACE, name), "the weights are programmed")


def take_from_route(cluster: Cluster, gateway: RunningGateway, name: str) -> None:
    alone = [{"op": "replace", "path": REFERENCES, "value": [backend_ref(f"{name}-v2")]}]
    cluster.patch_route(NAMESPACE, name, alone)
    eventually(lambda: cluster.conditions(NAMESPACE, name), "the route is programmed")


def take_endpoint(cluster: Cluster, gateway: RunningGateway, name: str) -> None:
    cluster.discovery.delete_namespaced_endpoint_slice(f"{name}-v1-0", NAMESPACE)
    service = f"{NAMESPACE}/{name}-v1:80"
    eventually(lambda: gateway.backends(name)[service] == [], "the endpoint is gone")
    take_weight(cluster, gateway, name)


def delete_service(cluster: Cluster, gateway: RunningGateway, name: str) -> None:
    take_endpoint(cluster, gateway, name)
    # Unread: a real server answers with the Service, this one with a Status.
    cluster.core.delete_namespaced_service(f"{name}-v1", NAMESPACE, _preload_content=False)
    eventually(lambda: cluster.conditions(NAMESPACE, name) == BACKEND_GONE, "the Service is gone")


BACKEND_GONE = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "BackendNotFound")}


@pytest.mark.parametrize("change", [take_weight, take_from_route, take_endpoint, delete_service])
def test_a_stream_goes_on_when_its_backend_goes(
    cluster: Cluster, gateway: RunningGateway, backend: Start, loop: Loop, change: Change
) -> None:
    name = f"stream-{change.__name__.replace('_', '-')}"
    gate = Gate(loop)
    cluster.service(NAMESPACE, f"{name}-v1", backend("v1", streaming(gate)).port)
    cluster.service(NAMESPACE, f"{name}-v2", backend("v2").port)
    references = (backend_ref(f"{name}-v1", 100), backend_ref(f"{name}-v2", 0))
    url = serve(cluster, gateway, name, *references)

    async def ask() -> bytes:
        session = aiohttp.ClientSession(timeout=DEADLINE)
        async with session, session.post(url, json={}) as answer:
            first: bytes = await answer.content.readexactly(len(b"first,"))
            await asyncio.to_thread(change, cluster, gateway, name)
            # New requests are the other revision's already, and the old one's stream is counted.
            later = await post_all(url, 10)
            assert {(status, body["backend"]) for status, body in later} == {(200, "v2")}
            flying = gateway.metric("headrace_gateway_requests_in_flight", revision=f"{name}-v1")
            assert flying == 1
            gate.open()
            second: bytes = await answer.read()
            return first + second

    assert asyncio.run(ask()) == b"first,second"
    requests = "headrace_gateway_requests_total"
    eventually(
        lambda: gateway.metric(requests, revision=f"{name}-v1", code="200") == 1, "it is counted"
    )
