"""A route is served once its backends are known, however late the watches of those come."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.local.gateway.backends import Backend, Loop
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.local.gateway.held_api import HeldApi
from tests.local.gateway.serving import NAMESPACE, backend_ref, post_all, serve
from tests.waiting import eventually

Start = Callable[..., Backend]


@pytest.fixture
def held_api(cluster: Cluster, loop: Loop, tmp_path: Path) -> Iterator[HeldApi]:
    api = HeldApi(loop, cluster.kubeconfig, tmp_path)
    yield api
    api.close()


@pytest.fixture
def late_gateway(cluster: Cluster, held_api: HeldApi, tmp_path: Path) -> Iterator[RunningGateway]:
    """A gateway whose watches of Services and EndpointSlices a test can hold up."""
    running = RunningGateway(cluster, tmp_path, name="late", kubeconfig=held_api.kubeconfig)
    running.start()
    yield running
    held_api.release()
    running.process.stop()


def codes(url: str) -> set[int]:
    async def ask() -> set[int]:
        async with aiohttp.ClientSession() as session:
            found = set()
            for _ in range(20):
                async with session.post(url, json={}) as answer:
                    found.add(answer.status)
            return found

    return asyncio.run(ask())


def create(cluster: Cluster, gateway: RunningGateway, name: str, *services: str) -> str:
    path = {"type": "PathPrefix", "value": f"/serving/{name}"}
    rule = {"matches": [{"path": path}], "backendRefs": [backend_ref(each) for each in services]}
    cluster.create_route(NAMESPACE, name, {"parentRefs": [gateway.parent], "rules": [rule]})
    return f"{gateway.url}/serving/{name}"


def test_a_new_route_is_served_with_its_backends_or_not_at_all(
    cluster: Cluster, late_gateway: RunningGateway, held_api: HeldApi, backend: Start
) -> None:
    held_api.hold()
    cluster.service(NAMESPACE, "order-new", backend("order-new").port)
    url = create(cluster, late_gateway, "order-new", "order-new")
    # Routes arrive in their order: with the later one served, the earlier one has been seen.
    serve(cluster, late_gateway, "order-marker")

    assert codes(url) == {404}
    assert cluster.conditions(NAMESPACE, "order-new") is None

    held_api.release()
    eventually(lambda: cluster.conditions(NAMESPACE, "order-new"), "the route is programmed")
    assert codes(url) == {200}


def test_a_shift_is_told_when_it_is_in_effect_and_until_then_nothing_changes(
    cluster: Cluster, late_gateway: RunningGateway, held_api: HeldApi, backend: Start
) -> None:
    cluster.service(NAMESPACE, "order-v1", backend("order-v1").port)
    url = serve(cluster, late_gateway, "order", backend_ref("order-v1"))
    held_api.hold()
    cluster.service(NAMESPACE, "order-v2", backend("order-v2").port)
    shift = [
        {
            "op": "replace",
            "path": "/spec/rules/0/backendRefs",
            "value": [backend_ref("order-v1", 0), backend_ref("order-v2", 100)],
        }
    ]
    cluster.patch_route(NAMESPACE, "order", shift)
    serve(cluster, late_gateway, "order-marker-2")

    answers = asyncio.run(post_all(url, 20))
    assert {(status, body["backend"]) for status, body in answers} == {(200, "order-v1")}
    assert cluster.conditions(NAMESPACE, "order") is None

    held_api.release()
    eventually(lambda: cluster.conditions(NAMESPACE, "order"), "the shift is programmed")
    answers = asyncio.run(post_all(url, 20))
    assert {(status, body["backend"]) for status, body in answers} == {(200, "order-v2")}


def test_a_backend_that_does_not_exist_is_told_though_watches_are_late(
    cluster: Cluster, late_gateway: RunningGateway, held_api: HeldApi
) -> None:
    held_api.hold()
    url = create(cluster, late_gateway, "order-missing", "order-nowhere")

    conditions = eventually(
        lambda: cluster.conditions(NAMESPACE, "order-missing"), "the route is judged"
    )

    assert conditions["ResolvedRefs"] == ("False", "BackendNotFound")
    assert codes(url) == {500}


def test_a_gateway_that_starts_answers_none_of_its_routes_with_404(
    cluster: Cluster, late_gateway: RunningGateway, held_api: HeldApi, backend: Start
) -> None:
    cluster.service(NAMESPACE, "order-start", backend("order-start").port)
    url = serve(cluster, late_gateway, "order-start", backend_ref("order-start"))
    late_gateway.process.stop()

    late_gateway.start()

    assert codes(url) == {200}
