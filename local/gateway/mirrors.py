"""Mirrors: copies of requests whose answers nobody waits for.

A copy is sent once the caller's whole body has passed through. Memory is bounded: at most
`MAX_COPIES` requests are copied at once and at most `MAX_BODY_BYTES` of each are kept; what goes
beyond is not mirrored, which the metrics show, and the caller never notices.
"""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from time import perf_counter

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from local.gateway.kubernetes_objects import ObjectKey
from local.gateway.metrics import GatewayMetrics
from local.gateway.route_rules import Mirror, RouteRule

MAX_COPIES = 64
MAX_BODY_BYTES = 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=30.0, sock_connect=5.0)


class MirroredRequest:
    """The copy of one request, for all mirrors that were drawn for it."""

    def __init__(
        self,
        mirrors: "Mirrors",
        wanted: list[Mirror],
        route: ObjectKey,
        request: tuple[str, str, CIMultiDict[str]],
    ) -> None:
        self._mirrors = mirrors
        self._wanted = wanted
        self._route = route
        self._request = request
        self._body = bytearray()
        self._too_large = False
        self._sent = False

    async def copy(self, content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
        """Pass a body through, keep its copy, and send that when the body is complete."""
        async for chunk in content.iter_any():
            if len(self._body) + len(chunk) > MAX_BODY_BYTES:
                self._too_large = True
                self._body.clear()
            elif not self._too_large:
                self._body += chunk
            yield chunk
        self.send()

    def send(self) -> None:
        """Send the copy in the background."""
        if self._sent or self._too_large:
            return
        self._sent = True
        self._mirrors.send(self._wanted, self._route, self._request, bytes(self._body))

    def close(self) -> None:
        """Give the copy's place free; account for one that was never sent."""
        self._mirrors.release()
        if not self._sent:
            code = "too_large" if self._too_large else "incomplete"
            self._mirrors.count(self._wanted, self._route, code)


class Mirrors:
    """Draws which requests are copied, and sends the copies."""

    def __init__(
        self, session: aiohttp.ClientSession, metrics: GatewayMetrics, random: Random
    ) -> None:
        self._session = session
        self._metrics = metrics
        self._random = random
        self._copies = 0
        self._sending: set[asyncio.Task[None]] = set()

    def begin(
        self, rule: RouteRule, method: str, target: str, headers: CIMultiDict[str]
    ) -> MirroredRequest | None:
        """Return the copy to make of a request; None for most."""
        wanted = [
            mirror
            for mirror in rule.mirrors
            if self._random.randrange(mirror.denominator) < mirror.numerator
        ]
        if not wanted:
            return None
        if self._copies + len(self._sending) >= MAX_COPIES:
            self.count(wanted, rule.route, "dropped")
            return None
        self._copies += 1
        return MirroredRequest(self, wanted, rule.route, (method, target, headers.copy()))

    def release(self) -> None:
        """Give a copy's place free."""
        self._copies -= 1

    def count(
        self, wanted: list[Mirror], route: ObjectKey, code: str, seconds: float | None = None
    ) -> None:
        """Account for copies."""
        for mirror in wanted:
            labels = (*route, mirror.backend.label, mirror.revision)
            self._metrics.mirrored(labels, code, seconds)

    def send(
        self,
        wanted: list[Mirror],
        route: ObjectKey,
        request: tuple[str, str, CIMultiDict[str]],
        body: bytes,
    ) -> None:
        """Send a copy to each mirror, each in a task of its own."""
        for mirror in wanted:
            task = asyncio.create_task(self._send(mirror, route, request, body))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(
        self,
        mirror: Mirror,
        route: ObjectKey,
        request: tuple[str, str, CIMultiDict[str]],
        body: bytes,
    ) -> None:
        method, target, headers = request
        origin = mirror.backend.next_endpoint()
        if origin is None:
            self.count([mirror], route, "unavailable")
            return
        started = perf_counter()
        try:
            async with self._session.request(
                method,
                URL(origin + target, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=TIMEOUT,
            ) as response:
                # Read to the end: a mirror that is cut off would see broken callers.
                async for _ in response.content.iter_any():
                    pass
                code = str(response.status)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            code = "error"
        self.count([mirror], route, code, perf_counter() - started)

    async def close(self) -> None:
        """End the copies that are still under way."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
