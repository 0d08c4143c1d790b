"""Small model servers for the tests: aiohttp applications in one background thread."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(15)

    def call(self, function: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(function)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Gate:
    """Something that a backend waits for and a test opens."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    def open(self) -> None:
        self._loop.call(self._event.set)


class Backend:
    """Answers every request with what it saw of it, or as its `behaviour` says."""

    def __init__(self, loop: Loop, name: str, behaviour: Handler | None = None) -> None:
        self.name = name
        self.seen: list[dict[str, Any]] = []
        self.cancelled = threading.Event()
        self.arrived = threading.Event()
        self._loop = loop
        self._behaviour = behaviour or self._echo
        self.port: int = loop.run(self._start())

    async def _start(self) -> int:
        server = web.Server(self._handle, handler_cancellation=True, auto_decompress=False)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _handle(self, request: Any) -> web.StreamResponse:
        self.arrived.set()
        try:
            return await self._behaviour(request)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen = {
            "backend": self.name,
            "method": request.method,
            "target": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body.decode("latin-1") if len(body) < 1000 else len(body),
        }
        self.seen.append(seen)
        return web.json_response(seen, headers={"X-Backend": self.name})

    def close(self) -> None:
        self._loop.run(self._runner.cleanup())
