"""Routes as a deployment has them, and requests to them."""

from typing import Any

import aiohttp
from yarl import URL

from tests.local.gateway.backends import Backend
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.waiting import eventually

NAMESPACE = "tenant-acme"
DEADLINE = aiohttp.ClientTimeout(total=10)


def backend_ref(service: str, weight: int = 1, **more: Any) -> dict[str, Any]:
    """A backendRef as a deployment's route has it: weight and the revision's own header."""
    header = {"set": [{"name": "x-headrace-revision", "value": service}]}
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": header}]
    return {"name": service, "port": 80, "weight": weight, "filters": filters, **more}


def serve(
    cluster: Cluster,
    gateway: RunningGateway,
    name: str,
    *references: dict[str, Any],
    rules: list[dict[str, Any]] | None = None,
    **rule: Any,
) -> str:
    """Make the route `name` on `/serving/<name>`, wait until it is served, return its URL."""
    rewrite = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    main = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/serving/{name}"}}],
        "backendRefs": list(references),
        **rule,
    }
    main["filters"] = [{"type": "URLRewrite", "urlRewrite": rewrite}, *rule.get("filters", ())]
    spec = {"parentRefs": [gateway.parent], "rules": [*(rules or ()), main]}
    cluster.create_route(NAMESPACE, name, spec)
    eventually(lambda: cluster.conditions(NAMESPACE, name), f"route {name} has its status")
    return f"{gateway.url}/serving/{name}"


def served(
    cluster: Cluster, gateway: RunningGateway, name: str, backend: Backend, **rule: Any
) -> str:
    cluster.service(NAMESPACE, name, backend.port)
    return serve(cluster, gateway, name, backend_ref(name), **rule)


async def post_all(url: str, count: int) -> list[tuple[int, dict[str, Any]]]:
    """Send requests one after the other on a kept-alive connection; return statuses and bodies."""
    async with aiohttp.ClientSession(timeout=DEADLINE) as session:
        return [await _post(session, url) for _ in range(count)]


async def _post(session: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, Any]]:
    async with session.post(URL(url, encoded=True), json={"inputs": [1]}) as response:
        return response.status, await response.json()
