"""The embedded ingress as a metric source: its Prometheus text exposition, without a Prometheus between.

The gateway counts from its start on, so a reading's counts are since an earlier moment than the rollout's, as the
port allows; `generation` is that start. Queries of people's own need a Prometheus: here they have no answer.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from controlplane.adapters.histograms import latency_buckets
from controlplane.adapters.metric_queries import read_queries
from controlplane.adapters.metrics_http import MetricsHttp
from controlplane.errors import MetricsUnavailableError
from controlplane.identifiers import now, route_name, serving_namespace
from controlplane.serving.analysis import Reading, RevisionCounts
from controlplane.serving.metric_ports import ReadingRequest

_OK = 200
MILLISECONDS = 1000


class Sample(NamedTuple):
    labels: Mapping[str, str]
    value: float


Samples = Mapping[str, list[Sample]]


class GatewayMetrics:
    """A MetricSource."""

    def __init__(self, url: str, http: MetricsHttp | None = None) -> None:
        self._url = url
        self._http = http or MetricsHttp()
        self._names = read_queries("embedded")

    def read(self, request: ReadingRequest) -> Reading:
        samples = self._scrape()
        observed_at = now()
        canary_series = self._names["mirrored" if request.mirrored else "live"]
        stable = self._counts(samples, self._names["live"], request, request.stable)
        canary = self._counts(samples, canary_series, request, request.canary)
        return Reading(
            observed_at=observed_at,
            stable=stable,
            canary=canary,
            generation=_generation(samples.get(self._names["started"], [])),
        )

    def _scrape(self) -> Samples:
        answer = self._http.send("GET", self._url, headers={"Accept": "text/plain"})
        if answer.status != _OK:
            raise MetricsUnavailableError(
                f"the gateway's metrics answer {answer.status}",
                remedy="METRICS_URL must name the gateway's /metrics.",
            )
        try:
            return parse_exposition(answer.body.decode())
        except ValueError as unreadable:
            raise MetricsUnavailableError(
                "the gateway's metrics are not in the Prometheus text format",
                remedy="METRICS_URL must name the gateway's /metrics.",
            ) from unreadable

    def _counts(
        self,
        samples: Samples,
        series: Mapping[str, str],
        request: ReadingRequest,
        revision: str | None,
    ) -> RevisionCounts | None:
        if revision is None:
            return None
        wanted = {
            self._names["labels"]["namespace"]: serving_namespace(request.tenant_id),
            self._names["labels"]["route"]: route_name(request.project, request.deployment),
            self._names["labels"]["revision"]: revision,
        }
        requests = errors = 0
        answered = [
            sample
            for sample in _matching(samples, series["requests"], wanted)
            if sample.labels[self._names["labels"]["code"]] not in self._names["not_sent"]
        ]
        if not answered:
            return None
        for sample in answered:
            code, count = sample.labels[self._names["labels"]["code"]], int(sample.value)
            requests += 0 if code in self._names["given_up"] else count
            errors += count if self._is_error(code) else 0
        bounds, counts = latency_buckets(
            (
                (sample.labels["le"], sample.value)
                for sample in _matching(samples, series["seconds"], wanted)
            ),
            MILLISECONDS,
        )
        return RevisionCounts(
            requests=requests, errors=errors, latency_bounds=bounds, latency_counts=counts
        )

    def _is_error(self, code: str) -> bool:
        """A copy without an answer is one."""
        return code in self._names["failed"] or (len(code) == 3 and code.startswith("5"))


def parse_exposition(text: str) -> Samples:
    """All samples by their name. Raises ValueError for what is no text exposition."""
    found: defaultdict[str, list[Sample]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not math.isnan(sample.value):
                found[sample.name].append(Sample(sample.labels, sample.value))
    return found


def _matching(samples: Samples, name: str, wanted: Mapping[str, str]) -> list[Sample]:
    return [sample for sample in samples.get(name, []) if wanted.items() <= sample.labels.items()]


def _generation(started: list[Sample]) -> str:
    return f"{started[0].value:.3f}" if started else ""
