"""A/B by header: rules of one deployment that differ in headers, each with a rewrite of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.local.gateway.backends import Backend
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.local.gateway.serving import NAMESPACE, backend_ref, serve

Start = Callable[..., Backend]
REWRITE = {
    "type": "URLRewrite",
    "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
}


def header_rule(name: str, backend: str, **headers: str) -> dict[str, Any]:
    """A rule on the deployment's path for requests with these headers."""
    wanted = [{"name": key.replace("_", "-"), "value": value} for key, value in headers.items()]
    path = {"type": "PathPrefix", "value": f"/serving/{name}"}
    return {
        "matches": [{"path": path, "headers": wanted}],
        "filters": [REWRITE],
        "backendRefs": [backend_ref(backend)],
    }


def ask(url: str, **headers: str) -> tuple[str, str]:
    """The backend that answered, and the target that it saw."""

    async def post() -> dict[str, Any]:
        fields = {key.replace("_", "-"): value for key, value in headers.items()}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{url}/v2/models/m/infer?x=1", json={}, headers=fields) as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    seen = asyncio.run(post())
    return seen["backend"], seen["target"]


def test_more_header_matches_win_whatever_the_order_of_rules(
    cluster: Cluster, gateway: RunningGateway, backend: Start
) -> None:
    for name in ("ab-a", "ab-b", "ab-c"):
        cluster.service(NAMESPACE, name, backend(name).port)
    rules = [
        header_rule("ab", "ab-b", x_cohort="b"),
        header_rule("ab", "ab-c", x_cohort="b", x_region="eu"),
    ]
    url = serve(cluster, gateway, "ab", backend_ref("ab-a"), rules=rules)
    target = "/v2/models/m/infer?x=1"

    assert ask(url) == ("ab-a", target)
    assert ask(url, x_cohort="a") == ("ab-a", target)
    assert ask(url, X_Cohort="b") == ("ab-b", target)
    assert ask(url, x_cohort="b", x_region="eu") == ("ab-c", target)
    assert ask(url, x_region="eu") == ("ab-a", target)
    requests = "headrace_gateway_requests_total"
    counts = [gateway.metric(requests, route="ab", revision=name) for name in ("ab-a", "ab-b")]
    assert counts == [3, 1]
