"""The queries of components that do not run in the tests, over what those components tell.

Each file of `scrapes` says at its head whether it was recorded, or written after the component's source.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controlplane.adapters import metric_queries
from controlplane.adapters.metric_queries import counts_copies
from controlplane.adapters.prometheus_api import PrometheusApi
from controlplane.adapters.prometheus_expressions import queries_for, selectors
from controlplane.adapters.prometheus_metrics import PrometheusMetrics
from controlplane.errors import MetricsUnavailableError
from controlplane.serving.analysis import AnalysisPolicy, Reading
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.metric_ports import ReadingRequest
from tests.conformance.gateway_processes import find_program, running_prometheus
from tests.conformance.recorded_scrapes import SCRAPES, Series, matching, scraped, telling, total
from tests.waiting import eventually

QUERIES = Path(metric_queries.__file__).with_name("queries")
PROMETHEUS = find_program("prometheus")
# What the PodMonitor of cluster/monitoring gives the series of a revision's pod.
OF_REVISION = {
    "namespace": "tenant-acme",
    "headrace_dev_project": "vision",
    "headrace_dev_deployment": "digits",
    "headrace_dev_version": "2",
}


@dataclass(frozen=True)
class Told:
    """What of a scrape is the canary's: its requests, its errors, and how many answers took at most `fast[0]`."""

    scrape: str
    mechanism: Mechanism
    target: Mapping[str, str]
    requests: int
    errors: int
    fast: tuple[str, int]
    stable: int = 0

    @property
    def others(self) -> list[Mapping[str, str]]:
        """Targets beside the canary's that tell the same: another version, deployment, project, tenant."""
        if "headrace_dev_version" not in self.target:
            return []
        changes = (
            {"headrace_dev_version": "20"},
            {"headrace_dev_deployment": "digits2"},
            {"headrace_dev_project": "sound"},
            {"namespace": "tenant-globex"},
        )
        return [{**self.target, **change} for change in changes]


TOLD = (
    Told("istio", Mechanism.ROUTE, {"namespace": "istio-system"}, 50, 10, ("25", 30), stable=100),
    Told("knative", Mechanism.KNATIVE, OF_REVISION, 31, 11, ("0.025", 24)),
    Told("mlserver", Mechanism.SPEC_CANARY, OF_REVISION, 22, 7, ("0.025", 20)),
)
each_scrape = pytest.mark.parametrize("told", TOLD, ids=lambda told: told.scrape)


def read_scrape(name: str) -> str:
    return (SCRAPES / f"{name}.txt").read_text()


def request_of(told: Told, *, mirrored: bool = False) -> ReadingRequest:
    return ReadingRequest(
        tenant_id="acme",
        project="vision",
        deployment="digits",
        mechanism=told.mechanism,
        canary="vision--digits--v2",
        stable="vision--digits--v1",
        since=datetime.now(UTC) - timedelta(hours=1),
        mirrored=mirrored,
        policy=AnalysisPolicy(),
    )


def all_series(told: Told) -> list[Series]:
    text = read_scrape(told.scrape)
    return [one for target in (told.target, *told.others) for one in scraped(text, target)]


@each_scrape
def test_selectors_find_what_is_the_canarys_and_nothing_else(told: Told) -> None:
    queries = queries_for(told.mechanism, told.scrape)
    asked = selectors(queries, request_of(told), canary=True)
    series = all_series(told)

    found = {figure: matching(selector, series) for figure, selector in asked.items()}

    assert total(found["requests"]) == told.requests
    assert total(found["errors"]) == told.errors
    bound, fast = told.fast
    buckets = {
        le: total(one for one in found["latency"] if one.labels["le"] == le)
        for le in {one.labels["le"] for one in found["latency"]}
    }
    assert float(bound) in {float(le) for le in buckets}
    assert buckets[bound] == fast
    assert buckets["+Inf"] == told.requests, "each answer that is counted is timed, and no other"
    # Whole models answer within ten seconds here: bounds in another unit would not hold them all.
    slowest = max(float(le) for le in buckets if le != "+Inf")
    assert 1_000 <= slowest * queries["latency_milliseconds"] <= 10_000
    assert not any(bucket > buckets["+Inf"] for bucket in buckets.values())


@each_scrape
def test_selectors_find_the_stable_revision_apart(told: Told) -> None:
    asked = selectors(queries_for(told.mechanism, told.scrape), request_of(told), canary=False)

    assert total(matching(asked["requests"], all_series(told))) == told.stable


@pytest.mark.skipif(
    PROMETHEUS is None, reason="no program `prometheus` on the path (Debian has a package)"
)
@each_scrape
def test_a_prometheus_reads_the_same(told: Told, tmp_path: Path) -> None:
    assert PROMETHEUS
    with telling(read_scrape(told.scrape)) as url:
        targets = {str(number): each for number, each in enumerate((told.target, *told.others))}
        jobs = dict.fromkeys(targets, url)
        with running_prometheus(PROMETHEUS, tmp_path, jobs, targets) as prometheus:
            source = PrometheusMetrics(PrometheusApi(prometheus), told.scrape)

            def whole() -> Reading | None:
                reading = source.read(request_of(told))
                return reading if reading.canary else None

            reading = eventually(whole, "the canary's series are scraped")

    assert reading.canary
    assert (reading.canary.requests, reading.canary.errors) == (told.requests, told.errors)
    assert sum(reading.canary.latency_counts) == told.requests
    assert (reading.stable.requests if reading.stable else 0) == told.stable


def test_istio_knows_the_service_of_a_request_that_found_no_pod() -> None:
    """destination_workload would miss it: a canary without a ready pod would have no errors at all."""
    (istio,) = [told for told in TOLD if told.scrape == "istio"]
    errors = selectors(queries_for(Mechanism.ROUTE, "istio"), request_of(istio), canary=True)

    found = matching(errors["errors"], all_series(istio))

    without_pod = [one for one in found if one.labels["destination_workload"] == "unknown"]
    assert [(one.labels["response_flags"], one.value) for one in without_pod] == [("UH", 5)]


def test_copies_that_a_gateway_does_not_count_are_not_taken_for_live_requests() -> None:
    (istio,) = [told for told in TOLD if told.scrape == "istio"]
    queries = queries_for(Mechanism.ROUTE, "istio")
    copied = request_of(istio, mirrored=True)

    with pytest.raises(
        MetricsUnavailableError, match="no copies of requests are counted"
    ) as refused:
        selectors(queries, copied, canary=True)

    assert "probes" in str(refused.value.remedy)
    # The stable revision is asked for its live requests as ever.
    assert selectors(queries, copied, canary=False)["requests"]
    assert not counts_copies("istio")
    assert counts_copies("envoy_gateway")
    assert counts_copies("embedded")


@pytest.mark.parametrize("file", sorted(QUERIES.glob("*.json")), ids=lambda file: file.stem)
def test_queries_that_no_running_component_proves_have_a_scrape(file: Path) -> None:
    status = json.loads(file.read_text())["status"]

    assert "unproven" not in status
    is_recorded = "tests/conformance/test_recorded_metrics.py" in status
    assert is_recorded is (file.stem in {told.scrape for told in TOLD})
    assert is_recorded is (SCRAPES / f"{file.stem}.txt").is_file()
    if status.startswith("read "):
        assert "Written, not recorded" in read_scrape(file.stem)
