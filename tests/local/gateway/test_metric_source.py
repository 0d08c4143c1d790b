"""The running gateway as metric source, with the route that a rollout writes and the probes that it sends."""

from collections.abc import Callable
from datetime import UTC, datetime

import requests
from aiohttp import web

from controlplane.adapters.gateway_metrics import GatewayMetrics
from controlplane.adapters.http_prober import HttpProber
from controlplane.adapters.kserve_routes import Split, header_matches, http_route
from controlplane.serving.analysis import AnalysisPolicy, Reading
from controlplane.serving.cluster_ports import Mechanism, Transition
from controlplane.serving.metric_ports import ReadingRequest
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import runtime_for
from controlplane.serving.settings import Probe
from tests.local.gateway.backends import Backend
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.waiting import eventually

CANARY, STABLE = "vision--judged--v2", "vision--judged--v1"


def spec(number: int) -> RevisionSpec:
    version = ServedVersion(
        model="digits", number=number, uri="s3://models/x", format="sklearn", files={}
    )
    return RevisionSpec("acme", "vision", "judged", "r-1", version, runtime_for("sklearn"))


def test_every_answer_is_read_as_what_it_was(
    cluster: Cluster, gateway: RunningGateway, backend: Callable[..., Backend]
) -> None:
    async def fail(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=500)

    cluster.service("tenant-acme", f"{STABLE}-predictor", backend("stable").port)
    cluster.service("tenant-acme", f"{CANARY}-predictor", backend("canary", fail).port)
    matches = header_matches((), CANARY, STABLE, probes=True)
    split = Split({STABLE: 100, CANARY: 0}, matches, CANARY, 100)
    route = http_route("acme", "vision", "judged", split, ("x", "y"))
    cluster.create_route(
        "tenant-acme", "vision--judged", route["spec"] | {"parentRefs": [gateway.parent]}
    )
    eventually(lambda: cluster.conditions("tenant-acme", "vision--judged"), "the route is served")
    source = GatewayMetrics(f"http://127.0.0.1:{gateway.metrics_port}/metrics")

    def read(*, mirrored: bool) -> Reading:
        return source.read(
            ReadingRequest(
                tenant_id="acme",
                project="vision",
                deployment="judged",
                mechanism=Mechanism.ROUTE,
                canary=CANARY,
                stable=STABLE,
                since=datetime.now(UTC),
                mirrored=mirrored,
                policy=AnalysisPolicy(),
            )
        )

    assert (read(mirrored=False).canary, read(mirrored=False).stable) == (None, None)

    for _ in range(15):
        answer = requests.post(
            f"{gateway.url}/serving/tenant-acme/vision--judged/v1/x", json={}, timeout=10
        )
        assert answer.status_code == 200, "nobody meets the canary"

    def copied() -> Reading | None:
        reading = read(mirrored=True)
        return reading if reading.canary and reading.canary.requests == 15 else None

    copies = eventually(copied, "all copies are counted")
    assert copies.canary
    assert copies.stable
    assert (copies.canary.errors, sum(copies.canary.latency_counts)) == (15, 15)
    assert (copies.stable.requests, copies.stable.errors) == (15, 0)
    assert read(mirrored=False).canary is None
    assert float(copies.generation) > 0

    transition = Transition("acme", "vision", "judged", "r-1", Mechanism.ROUTE, spec(2), spec(1))
    HttpProber(gateway.url).send(transition, Probe(path="/v1/x", body="{}", count=10))

    probed = read(mirrored=False)
    assert probed.canary
    assert probed.stable
    assert (probed.canary.requests, probed.canary.errors) == (10, 10)
    assert (probed.stable.requests, probed.stable.errors) == (25, 0)
    assert sum(probed.stable.latency_counts) == 25
