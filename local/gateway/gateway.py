"""The gateway as a whole: watches feed the table, the table feeds the proxy and the statuses."""

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import aiohttp
from aiohttp import web

from local.gateway.access_log import AccessLog
from local.gateway.backends import new_turns
from local.gateway.kubernetes_api import KubernetesApi
from local.gateway.kubernetes_objects import GATEWAY_GROUP, ObjectKey, Snapshot
from local.gateway.kubernetes_watch import (
    API_FAILURES,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    KubernetesWatch,
)
from local.gateway.metrics import GatewayMetrics
from local.gateway.operations import operations_application
from local.gateway.proxy import Proxy, new_session
from local.gateway.route_versions import RouteVersions
from local.gateway.routing_table import compile_table
from local.gateway.seeding import seed
from local.gateway.status_writer import StatusWriter

LOGGER = logging.getLogger(__name__)
HOST = "127.0.0.1"
# Changes come in bunches (a Service and its slices): one compilation takes them together.
SETTLE_SECONDS = 0.01
# aiohttp takes 0 for no limit.
NO_GRACE_SECONDS = 0.001
GATEWAY_API = f"/apis/{GATEWAY_GROUP}/v1"


@dataclass(frozen=True, slots=True)
class Options:
    """How the gateway is started; ports are TCP ports, times are seconds."""

    kubeconfig: Path
    gateway: ObjectKey
    port: int
    metrics_port: int
    grace: float
    access_log: bool
    seed: int | None


class Gateway:
    """Follows one Gateway's HTTPRoutes and serves them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._changed = asyncio.Event()
        self._table_changed = asyncio.Event()
        self._turns = new_turns()
        self._metrics = GatewayMetrics()
        self._access_log = AccessLog(sys.stdout if options.access_log else None)
        self._watches: dict[str, KubernetesWatch] = {}
        self._snapshot = Snapshot()  # what the table was compiled from

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then let requests in flight finish within the grace time."""
        async with AsyncExitStack() as stack:
            api = KubernetesApi(
                self._options.kubeconfig,
                await stack.enter_async_context(aiohttp.ClientSession()),
            )
            backends = await stack.enter_async_context(new_session())
            self._proxy = Proxy(
                backends, self._metrics, self._access_log, Random(self._options.seed),
                self._options.port,
            )  # fmt: skip
            stack.callback(self._access_log.flush)
            stack.push_async_callback(self._proxy.mirrors.close)
            await self._serve_operations(stack)
            followers = asyncio.create_task(self._follow(api))
            await self._serve_proxy(stack)
            stopping = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait({followers, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (stopping, followers):
                task.cancel()
            if followers in done:
                followers.result()

    async def _serve_operations(self, stack: AsyncExitStack) -> None:
        application = operations_application(self._metrics, lambda: self._proxy.table)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, self._options.metrics_port).start()

    async def _serve_proxy(self, stack: AsyncExitStack) -> None:
        server = web.Server(
            self._proxy.handle,
            handler_cancellation=True,
            # Bodies pass as they are: compressed ones stay compressed.
            auto_decompress=False,
            access_log=None,
        )
        runner = web.ServerRunner(
            server, shutdown_timeout=max(self._options.grace, NO_GRACE_SECONDS)
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, self._options.port, backlog=1024).start()
        LOGGER.info("serving on http://%s:%d", HOST, self._options.port)

    async def _follow(self, api: KubernetesApi) -> None:
        await self._seed(api)
        paths = {
            "routes": f"{GATEWAY_API}/httproutes",
            "gateways": f"{GATEWAY_API}/gateways",
            "services": "/api/v1/services",
            "endpoint_slices": "/apis/discovery.k8s.io/v1/endpointslices",
            "namespaces": "/api/v1/namespaces",
            "reference_grants": f"{GATEWAY_API}/referencegrants",
        }
        self._watches = {
            name: KubernetesWatch(api, path, self._changed.set, optional=name == "reference_grants")
            for name, path in paths.items()
        }
        watches = self._watches
        versions = RouteVersions(
            api, watches["services"], watches["endpoint_slices"], self._changed.set
        )
        async with asyncio.TaskGroup() as tasks:
            for watch in watches.values():
                tasks.create_task(watch.run())
            tasks.create_task(versions.run())
            tasks.create_task(self._compile(versions))
            tasks.create_task(self._write_statuses(StatusWriter(api, self._options.gateway)))

    async def _seed(self, api: KubernetesApi) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await seed(api, self._options.gateway, self._options.port)
            except API_FAILURES as error:
                LOGGER.warning("cannot prepare the Gateway: %s; trying again", error)
            api.forget_connection()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _observed(self) -> Snapshot:
        return Snapshot(**{name: watch.objects for name, watch in self._watches.items()})

    async def _compile(self, versions: RouteVersions) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            if not all(watch.listed for watch in self._watches.values()):
                continue
            observed = self._observed()
            snapshot = replace(observed, routes=versions.choose(observed.routes))
            if self._proxy.table is None and not versions.complete:
                continue  # a gateway that has just started answers no route with 404 that exists
            table = compile_table(snapshot, self._options.gateway, self._options.port, self._turns)
            self._snapshot, self._proxy.table = snapshot, table
            self._metrics.programmed(len(table.routes))
            self._table_changed.set()

    async def _write_statuses(self, writer: StatusWriter) -> None:
        while True:
            await self._table_changed.wait()
            self._table_changed.clear()
            if self._proxy.table is None:
                continue
            try:
                await writer.write(self._snapshot, self._proxy.table)
            except API_FAILURES as error:
                LOGGER.warning("statuses: %s; trying again", error)
                await asyncio.sleep(FIRST_PAUSE_SECONDS)
                self._table_changed.set()
