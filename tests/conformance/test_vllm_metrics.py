"""Requests to vLLM are counted by prometheus-fastapi-instrumentator: it runs here as vLLM sets it up, without vLLM."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from controlplane.adapters.prometheus_api import PrometheusApi
from controlplane.adapters.prometheus_expressions import queries_for, selectors
from controlplane.adapters.prometheus_metrics import PrometheusMetrics
from controlplane.serving.analysis import AnalysisPolicy, Reading
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.metric_ports import ReadingRequest
from tests.conformance.gateway_processes import find_program, running, running_prometheus
from tests.conformance.recorded_scrapes import matching, scraped, total
from tests.local.serving.trained_models import SERVING_PYTHON
from tests.ports import free_port
from tests.waiting import eventually

PROMETHEUS = find_program("prometheus")
CANARY, STABLE = "vision--digits--v2", "vision--digits--v1"
# What KServe's PodMonitor gives the series of each object's pods.
TARGET = {"namespace": "tenant-acme", "llm_isvc_name": CANARY}


@dataclass
class Server:
    url: str

    def send(self, *wishes: str) -> None:
        for wish in wishes:
            # One that breaks off in the middle of its stream.
            with suppress(requests.exceptions.ChunkedEncodingError):
                requests.post(
                    f"{self.url}/v1/chat/completions", headers={"x-do": wish}, json={}, timeout=10
                )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    program = Path(__file__).with_name("vllm_requests.py")
    command = [str(SERVING_PYTHON), str(program), str(port)]
    with running(command, f"{url}/health", tmp_path / "server.log"):
        yield Server(url)


def request() -> ReadingRequest:
    return ReadingRequest(
        tenant_id="acme",
        project="vision",
        deployment="digits",
        mechanism=Mechanism.GROUP,
        canary=CANARY,
        stable=STABLE,
        since=datetime.now(UTC) - timedelta(hours=1),
        mirrored=False,
        policy=AnalysisPolicy(),
    )


def test_completions_are_counted_and_nothing_else(server: Server) -> None:
    server.send("answer", "answer", "stream", "400", "500", "503", "raise")
    for path in ("/v1/models", "/v1/models", "/health", "/v1/nothing", "/metrics"):
        requests.get(f"{server.url}{path}", timeout=10)
    queries = queries_for(Mechanism.GROUP, "envoy_gateway")
    asked = selectors(queries, request(), canary=True)
    stable = selectors(queries, request(), canary=False)

    series = scraped(requests.get(f"{server.url}/metrics", timeout=10).text, TARGET)

    assert total(matching(asked["requests"], series)) == 7
    assert total(matching(asked["errors"], series)) == 3
    buckets = {one.labels["le"]: one.value for one in matching(asked["latency"], series)}
    # Of three first tokens after 30 milliseconds each: the bounds are in seconds.
    assert (buckets["0.02"], buckets["0.04"], buckets["+Inf"]) == (0, 3, 3)
    assert queries["latency_milliseconds"] == 1000
    assert not matching(stable["requests"], series)


def test_a_stream_that_breaks_off_counts_as_a_good_answer(server: Server) -> None:
    """What the file says the queries are blind to; if this changes, it should say so."""
    server.send("break off")
    queries = queries_for(Mechanism.GROUP, "envoy_gateway")
    asked = selectors(queries, request(), canary=True)

    series = scraped(requests.get(f"{server.url}/metrics", timeout=10).text, TARGET)

    assert total(matching(asked["requests"], series)) == 1
    assert not matching(asked["errors"], series)
    assert any("first byte" in blind for blind in queries["blind_to"])


@pytest.mark.skipif(
    PROMETHEUS is None, reason="no program `prometheus` on the path (Debian has a package)"
)
def test_a_prometheus_reads_what_was_answered(server: Server, tmp_path: Path) -> None:
    assert PROMETHEUS
    server.send("answer", "500", "stream", "raise")
    jobs, labels = {"vllm": f"{server.url}/metrics"}, {"vllm": TARGET}
    with running_prometheus(PROMETHEUS, tmp_path, jobs, labels) as url:
        source = PrometheusMetrics(PrometheusApi(url), "envoy_gateway")

        def whole() -> Reading | None:
            reading = source.read(request())
            return reading if reading.canary else None

        reading = eventually(whole, "the server's series are scraped")

    assert reading.canary
    assert (reading.canary.requests, reading.canary.errors) == (4, 2)
    assert sum(reading.canary.latency_counts) == 2
    assert reading.stable is None
