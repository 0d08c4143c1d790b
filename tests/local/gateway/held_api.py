"""A way to the Kubernetes API on which the watches of some kinds can be held up.

Watches of different kinds are not ordered among each other; here a test decides which comes late.
"""

import asyncio
import base64
import json
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from tests.local.gateway.backends import Loop

HELD = ("/services", "/endpointslices")


class HeldApi:
    """Passes everything on; watches of Services and EndpointSlices only while not held."""

    def __init__(self, loop: Loop, kubeconfig: Path, folder: Path) -> None:
        self._loop = loop
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._server = cluster["server"]
        self._tls = ssl.create_default_context(cadata=authority)
        self._open: asyncio.Event = loop.run(_event())
        self._runner: web.ServerRunner
        port = loop.run(self._start())
        cluster.clear()
        cluster["server"] = f"http://127.0.0.1:{port}"
        self.kubeconfig = folder / "held-kubeconfig"
        self.kubeconfig.write_text(json.dumps(config))

    def hold(self) -> None:
        self._loop.run(_call(self._open.clear))

    def release(self) -> None:
        self._loop.run(_call(self._open.set))

    def close(self) -> None:
        self._loop.run(self._stop())

    async def _start(self) -> int:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        server = web.Server(self._pass_on, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return int(self._runner.addresses[0][1])

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: Any) -> web.StreamResponse:
        held = "watch=true" in request.query_string and request.path.endswith(HELD)
        headers = {
            name: request.headers[name]
            for name in ("Authorization", "Content-Type", "Accept")
            if name in request.headers
        }
        async with self._session.request(
            request.method,
            self._server + request.raw_path,
            headers=headers,
            data=await request.read(),
            ssl=self._tls,
        ) as upstream:
            answer = web.StreamResponse(status=upstream.status)
            answer.headers["Content-Type"] = upstream.headers.get("Content-Type", "")
            await answer.prepare(request)
            async for chunk in upstream.content.iter_any():
                if held:
                    await self._open.wait()
                await answer.write(chunk)
            await answer.write_eof()
        return answer


async def _event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def _call(function: Any) -> None:
    function()
