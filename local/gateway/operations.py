"""The metrics port: `/metrics`, `/healthz`, `/readyz` and, for people, `/routes`."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from local.gateway.backends import Backend
from local.gateway.metrics import GatewayMetrics
from local.gateway.routing_table import CompiledRoute, RoutingTable


def operations_application(
    metrics: GatewayMetrics, table: Callable[[], RoutingTable | None]
) -> web.Application:
    """Return the application; `table` gives the routing table, None until the first full list."""

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=metrics.exposition(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def show_health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def show_readiness(_: web.Request) -> web.Response:
        if table() is None:
            return web.Response(status=503, text="waiting for the first list of all objects\n")
        return web.Response(text="ok\n")

    async def show_routes(_: web.Request) -> web.Response:
        current = table()
        routes = [] if current is None else [_describe(found) for found in current.routes]
        return web.json_response({"routes": routes})

    application = web.Application()
    application.router.add_get("/metrics", show_metrics)
    application.router.add_get("/healthz", show_health)
    application.router.add_get("/readyz", show_readiness)
    application.router.add_get("/routes", show_routes)
    return application


def _describe(compiled: CompiledRoute) -> dict[str, Any]:
    metadata = compiled.route["metadata"]
    return {
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "hostnames": list(compiled.hostnames),
        "rules": [
            {
                "matches": [f"{m.method or 'any'} {m.path_type} {m.path}" for m in rule.matches],
                "backends": [_describe_backend(backend) for backend in rule.backends],
                "mirrors": [_describe_backend(mirror.backend) for mirror in rule.mirrors],
                "problem": rule.problem.message if rule.problem else None,
            }
            for rule in compiled.rules
        ],
    }


def _describe_backend(backend: Backend) -> dict[str, Any]:
    return {
        "service": backend.label,
        "revision": backend.revision,
        "weight": backend.weight,
        "endpoints": list(backend.endpoints),
        "problem": backend.problem.message if backend.problem else None,
    }
