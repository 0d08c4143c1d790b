"""What a running gateway does with bodies, headers, time-outs and callers who leave."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.local.gateway.backends import Backend, Gate, Loop
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.local.gateway.serving import NAMESPACE, backend_ref, post_all, serve, served
from tests.ports import free_port
from tests.waiting import eventually

Start = Callable[..., Backend]
MEGABYTE = 1024 * 1024


def test_an_answer_streams_as_it_is_made(
    cluster: Cluster, gateway: RunningGateway, backend: Start, loop: Loop
) -> None:
    gate = Gate(loop)

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await gate.wait()
        await response.write(b"data: 2\n\n")
        return response

    url = served(cluster, gateway, "events", backend("events", events))

    async def read() -> tuple[bytes, bytes]:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            first = await asyncio.wait_for(response.content.readany(), 5)
            gate.open()
            rest: bytes = await response.content.read()
            return first, rest

    assert asyncio.run(read()) == (b"data: 1\n\n", b"data: 2\n\n")


def test_a_body_streams_as_it_is_sent(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    first_seen = threading.Event()

    async def take(request: web.Request) -> web.StreamResponse:
        first = await request.content.readany()
        first_seen.set()
        return web.Response(body=first + b"|" + await request.content.read())

    url = served(cluster, gateway, "upload", backend("upload", take))

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        # The second part is only sent once the backend has the first.
        await asyncio.to_thread(first_seen.wait, 5)
        yield b"two"

    async def send() -> bytes:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=body()) as response,
        ):
            whole: bytes = await response.read()
            return whole

    assert asyncio.run(send()) == b"one|two"


@pytest.mark.parametrize("size", [0, 5, 16 * MEGABYTE])
def test_bodies_arrive_unchanged_both_ways(
    cluster: Cluster, gateway: RunningGateway, backend: Start, size: int
) -> None:
    async def repeat(request: web.Request) -> web.StreamResponse:
        # Declared as compressed, which it is not: nobody on the way may look inside.
        body = b"".join([chunk async for chunk in request.content.iter_any()])
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    url = served(cluster, gateway, f"size-{size}", backend("size", repeat))
    sent = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def send() -> tuple[bytes, Any]:
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(
                url, data=sent, headers={"Content-Encoding": "gzip"}, expect100=True
            ) as response,
        ):
            return await response.read(), response.headers

    # A caller that waits for a 100 which never comes would wait for ever.
    received, headers = asyncio.run(asyncio.wait_for(send(), 15))
    assert received == sent
    assert headers["Content-Length"] == str(size)
    assert headers["Content-Encoding"] == "gzip"


def test_forwarded_headers_are_added_and_hop_by_hop_ones_removed(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    seen = backend("headers")
    url = served(cluster, gateway, "headers", seen)
    sent = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "https",
        "Keep-Alive": "timeout=5",
        "TE": "trailers",
        "Host": "models.example.com",
        "x-headrace-revision": "forged",
        "Authorization": "Bearer secret-token",
        "X-Correlation-Id": "correlation-1",
    }

    async def send() -> None:
        async with (
            aiohttp.ClientSession(headers=sent) as session,
            session.get(f"{url}/p?secret=query-value") as response,
        ):
            assert response.status == 200

    asyncio.run(send())
    (request,) = seen.seen
    headers = request["headers"]
    assert headers["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == headers["host"] == "models.example.com"
    assert headers["x-headrace-revision"] == "headers"
    assert headers["authorization"] == "Bearer secret-token"
    assert not {"keep-alive", "te"} & set(headers)
    line = eventually(
        lambda: [x for x in gateway.log_lines() if x["correlation_id"] == "correlation-1"],
        "the access log has the request",
    )[0]
    assert (line["status"], line["route"], line["revision"]) == (200, "headers", "headers")
    log = gateway.process.log.read_text()
    assert "secret-token" not in log
    assert "query-value" not in log


def test_a_time_out_of_the_route_is_504(
    cluster: Cluster, gateway: RunningGateway, backend: Start, loop: Loop
) -> None:
    gate = Gate(loop)

    async def hang(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    hanging = backend("hang", hang)
    url = served(cluster, gateway, "hang", hanging, timeouts={"request": "200ms"})
    started = time.monotonic()
    ((status, body),) = asyncio.run(post_all(url, 1))
    assert (status, body["reason"]) == (504, "TimedOut")
    assert 0.2 <= time.monotonic() - started < 3
    eventually(hanging.cancelled.is_set, "the backend's request is cancelled")


def test_a_refused_connection_is_503(cluster: Cluster, gateway: RunningGateway) -> None:
    cluster.service(NAMESPACE, "refused", free_port())
    url = serve(cluster, gateway, "refused", backend_ref("refused"))
    ((status, body),) = asyncio.run(post_all(url, 1))
    assert (status, body["reason"]) == (503, "ConnectionFailed")


def test_a_post_that_broke_is_never_sent_twice(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    arrived: list[bytes] = []

    async def drop_every_second(request: web.Request) -> web.StreamResponse:
        arrived.append(await request.read())
        if len(arrived) % 2 == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({})

    url = served(cluster, gateway, "drop", backend("drop", drop_every_second))
    # The second request meets a kept-alive connection, where clients are tempted to try again.
    assert [status for status, _ in asyncio.run(post_all(url, 4))] == [200, 503, 200, 503]
    assert len(arrived) == 4


def test_an_answer_that_breaks_off_is_not_taken_for_the_whole(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"part")
        assert request.transport is not None
        request.transport.abort()
        return response

    url = served(cluster, gateway, "broken", backend("broken", break_off))

    async def read() -> None:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            await response.read()

    with pytest.raises(aiohttp.ClientError):
        asyncio.run(read())
    assert gateway.metric("headrace_gateway_requests_total", route="broken", code="502") == 1


def test_a_caller_who_leaves_cancels_the_backend(
    cluster: Cluster, gateway: RunningGateway, backend: Start, loop: Loop
) -> None:
    gate = Gate(loop)

    async def hang(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    hanging = backend("leave", hang)
    url = served(cluster, gateway, "leave", hanging)

    async def leave() -> None:
        async with aiohttp.ClientSession() as session:
            asking = asyncio.create_task(session.get(url).__aenter__())
            await asyncio.to_thread(hanging.arrived.wait, 5)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(leave())
    eventually(hanging.cancelled.is_set, "the backend's request is cancelled")
    eventually(
        lambda: gateway.metric("headrace_gateway_requests_total", route="leave", code="499") == 1,
        "it is counted as the caller's",
    )


def test_a_request_in_flight_outlives_its_endpoint(
    cluster: Cluster, gateway: RunningGateway, backend: Start, loop: Loop
) -> None:
    gate = Gate(loop)

    async def slow(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.json_response({"done": True})

    slow_backend = backend("slow", slow)
    url = served(cluster, gateway, "slow", slow_backend)

    async def ask() -> tuple[int, dict[str, Any]]:
        asking = asyncio.create_task(post_all(url, 1))
        await asyncio.to_thread(slow_backend.arrived.wait, 5)
        await asyncio.to_thread(
            cluster.discovery.delete_namespaced_endpoint_slice, "slow-0", NAMESPACE
        )
        await asyncio.to_thread(
            eventually, lambda: gateway.backends("slow")[f"{NAMESPACE}/slow:80"] == [], "it is gone"
        )
        gate.open()
        return (await asking)[0]

    assert asyncio.run(ask()) == (200, {"done": True})
    assert asyncio.run(post_all(url, 1))[0][0] == 503
