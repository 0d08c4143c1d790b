"""The running gateway as metric source, with the route that a rollout writes and the probes that it sends."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import requests
from aiohttp import web

from controlplane.adapters.gateway_metrics import GatewayMetrics
from controlplane.adapters.http_prober import HttpProber
from controlplane.adapters.kserve_routes import Split, header_matches, http_route
from controlplane.identifiers import revision_name, route_name
from controlplane.serving.analysis import AnalysisPolicy, Reading, Unanswered
from controlplane.serving.cluster_ports import Mechanism, Transition
from controlplane.serving.metric_ports import ReadingRequest
from controlplane.serving.model import ServedVersion
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import runtime_for
from controlplane.serving.settings import Probe
from tests.local.gateway.backends import Backend, Gate, Loop
from tests.local.gateway.cluster import Cluster, RunningGateway
from tests.waiting import eventually


@dataclass(frozen=True)
class Judged:
    """A deployment in a step that is judged on probes or on copies, and what the source reads of it."""

    name: str
    gateway: RunningGateway

    @property
    def canary(self) -> str:
        return revision_name("vision", self.name, 2)

    @property
    def stable(self) -> str:
        return revision_name("vision", self.name, 1)

    @property
    def transition(self) -> Transition:
        return Transition(
            "acme", "vision", self.name, "r-1", Mechanism.ROUTE, self.spec(2), self.spec(1)
        )

    def spec(self, number: int) -> RevisionSpec:
        version = ServedVersion(
            model="digits", number=number, uri="s3://models/x", format="sklearn", files={}
        )
        return RevisionSpec("acme", "vision", self.name, "r-1", version, runtime_for("sklearn"))

    def serve(self, cluster: Cluster, stable: Backend, canary: Backend) -> None:
        cluster.service("tenant-acme", f"{self.stable}-predictor", stable.port)
        cluster.service("tenant-acme", f"{self.canary}-predictor", canary.port)
        matches = header_matches((), self.canary, self.stable, probes=True)
        split = Split({self.stable: 100, self.canary: 0}, matches, self.canary, 100)
        route = http_route("acme", "vision", self.name, split, ("x", "y"))
        name = route_name("vision", self.name)
        cluster.create_route(
            "tenant-acme", name, route["spec"] | {"parentRefs": [self.gateway.parent]}
        )
        eventually(lambda: cluster.conditions("tenant-acme", name), "the route is served")

    def read(self, *, mirrored: bool) -> Reading:
        source = GatewayMetrics(f"http://127.0.0.1:{self.gateway.metrics_port}/metrics")
        return source.read(
            ReadingRequest(
                tenant_id="acme",
                project="vision",
                deployment=self.name,
                mechanism=Mechanism.ROUTE,
                canary=self.canary,
                stable=self.stable,
                since=datetime.now(UTC),
                mirrored=mirrored,
                policy=AnalysisPolicy(),
            )
        )


def test_every_answer_is_read_as_what_it_was(
    cluster: Cluster, gateway: RunningGateway, backend: Callable[..., Backend]
) -> None:
    async def fail(_: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=500)

    judged = Judged("judged", gateway)
    judged.serve(cluster, backend("stable"), backend("canary", fail))
    read = judged.read

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

    HttpProber(gateway.url).send(judged.transition, Probe(path="/v1/x", body="{}", count=10))

    probed = read(mirrored=False)
    assert probed.canary
    assert probed.stable
    assert (probed.canary.requests, probed.canary.errors) == (10, 10)
    assert (probed.stable.requests, probed.stable.errors) == (25, 0)
    assert sum(probed.stable.latency_counts) == 25


def given_up(judged: Judged) -> float:
    """What the gateway has seen of it, which takes it for the caller's doing."""
    series = "headrace_gateway_requests_total"
    return judged.gateway.metric(series, revision=judged.canary, code="499")


def test_a_probe_that_is_not_answered_in_time_counts_once_and_as_a_failure(
    cluster: Cluster, gateway: RunningGateway, backend: Callable[..., Backend], loop: Loop
) -> None:
    gate = Gate(loop)

    async def hang(_: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.Response()

    judged = Judged("hung", gateway)
    judged.serve(cluster, backend("stable"), backend("canary", hang))

    unanswered = HttpProber(gateway.url, answer_seconds=0.5).send(
        judged.transition, Probe(path="/v1/x", body="{}", count=4)
    )

    assert unanswered == Unanswered(canary=4)
    eventually(
        lambda: given_up(judged) == 4,
        "the gateway has seen that they were given up",
    )
    reading = judged.read(mirrored=False).with_unanswered(unanswered)
    assert reading.canary
    assert reading.stable
    assert (reading.canary.requests, reading.canary.errors) == (4, 4)
    assert (reading.stable.requests, reading.stable.errors) == (4, 0)
