"""A Prometheus as metric source: the gateway's or the servers' own series, and the queries of people.

All figures of a reading are asked at one moment, in one query, so that they belong together. The queries of people
are asked one by one: one that fails is missing in the reading, which makes its check Inconclusive and nothing else.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from controlplane.adapters import prometheus_expressions as expressions
from controlplane.adapters.histograms import latency_buckets
from controlplane.adapters.prometheus_api import PrometheusApi, Sample
from controlplane.errors import MetricsUnavailableError
from controlplane.identifiers import now, route_name, serving_namespace
from controlplane.serving.analysis import Reading, RevisionCounts
from controlplane.serving.metric_ports import ReadingRequest
from controlplane.serving.promql import confine
from controlplane.serving.promql_tokens import PromQLError

# How far an instant query looks back for a sample, as Prometheus does by default.
LOOKBACK = timedelta(minutes=5)
# For all queries of people in one reading; what is asked later is missing.
USER_SECONDS = 15.0
CANARY, STABLE = "canary", "stable"
Figures = Mapping[str, list[Sample]]


class PrometheusMetrics:
    """A MetricSource. `gateway` names the file of queries for deployments behind their own HTTPRoute."""

    def __init__(self, api: PrometheusApi, gateway: str) -> None:
        self._api = api
        self._gateway = gateway

    def read(self, request: ReadingRequest) -> Reading:
        moment = now()
        queries = expressions.queries_for(request.mechanism, self._gateway)
        figures = self._ask(_reading(queries, request, moment), moment)
        users = _UserQueries(self._api, request, moment)
        canary, stable = (
            self._counts(figures, queries, users, revision) for revision in (CANARY, STABLE)
        )
        return Reading(
            observed_at=_observed_at(figures, canary, stable, moment),
            stable=stable,
            canary=canary,
            values=users.values(),
            generation=_generation(figures),
            counts_requests=queries["requests"] is not None,
        )

    def _ask(self, expression: str, moment: datetime) -> Figures:
        found: defaultdict[str, list[Sample]] = defaultdict(list)
        for sample in self._api.query(expression, moment):
            if not math.isfinite(sample.value):
                raise MetricsUnavailableError("Prometheus tells a count that is no number")
            found[sample.labels.get("figure", "")].append(sample)
        return found

    def _counts(
        self, figures: Figures, queries: Mapping[str, Any], users: "_UserQueries", revision: str
    ) -> RevisionCounts | None:
        requests, latency = (
            figures.get(f"{revision}.{figure}", []) for figure in ("requests", "latency")
        )
        if not requests and not latency:
            return None
        # Where errors are not told apart nothing is said of requests either: they would look like good ones.
        total = _whole(requests[0].value) if requests else 0
        errors = figures.get(f"{revision}.errors")
        bounds, counts = latency_buckets(
            ((one.labels.get("le", "nan"), one.value) for one in latency),
            float(queries["latency_milliseconds"]),
        )
        return RevisionCounts(
            requests=total,
            errors=min(total, _whole(errors[0].value)) if errors else 0,
            latency_bounds=bounds,
            latency_counts=counts,
            events=users.events(revision),
        )


class _UserQueries:
    """What people ask besides, of their own namespace alone."""

    def __init__(self, api: PrometheusApi, request: ReadingRequest, moment: datetime) -> None:
        self._api = api
        self._request = request
        self._moment = moment
        self._namespace = serving_namespace(request.tenant_id)
        self._until = time.monotonic() + USER_SECONDS

    def events(self, revision: str) -> dict[str, tuple[int | None, int]]:
        """Bad and total of each EventMetric that there is an answer for.

        Where no bad one was ever seen there is no series of them, nor where it is missed: bad is None.
        """
        found: dict[str, tuple[int | None, int]] = {}
        for metric in self._request.policy.events:
            total = self._number(metric.total_query, revision)
            samples = None if total is None else self._samples(metric.bad_query, revision)
            if total is None or samples is None:
                continue
            bad = _only(samples)
            if bad is not None or not samples:
                whole = None if bad is None else min(_whole(bad), _whole(total))
                found[metric.name] = (whole, _whole(total))
        return found

    def values(self) -> dict[str, tuple[float | None, float | None]]:
        """Canary and stable revision's of each ValueMetric."""
        return {
            metric.name: (self._number(metric.query, CANARY), self._number(metric.query, STABLE))
            for metric in self._request.policy.values
        }

    def _number(self, query: str, revision: str) -> float | None:
        samples = self._samples(query, revision)
        return None if samples is None else _only(samples)

    def _samples(self, query: str, revision: str) -> list[Sample] | None:
        """What a query gives; None when it is not answered."""
        name = self._request.canary if revision == CANARY else self._request.stable
        if name is None or time.monotonic() > self._until:
            return None
        places = {
            "revision": name,
            "namespace": self._namespace,
            "deployment": route_name(self._request.project, self._request.deployment),
        }
        seconds = _seconds_since(self._request, self._moment)
        try:
            confined = confine(query, self._namespace, places, since_seconds=seconds)
            return self._api.query(confined, self._moment)
        except (PromQLError, MetricsUnavailableError):
            return None


def _only(samples: list[Sample]) -> float | None:
    """The one number of an answer; None for none, several, or what is no number."""
    if len(samples) != 1 or not math.isfinite(samples[0].value):
        return None
    return samples[0].value


def _reading(queries: Mapping[str, Any], request: ReadingRequest, moment: datetime) -> str:
    """One expression for all figures of both revisions; each has a label of its own to be told by."""
    since, seconds = request.since.timestamp(), _seconds_since(request, moment)

    def parts() -> Iterator[str]:
        for revision in (CANARY, STABLE) if request.stable else (CANARY,):
            chosen = expressions.selectors(queries, request, canary=revision == CANARY)
            for figure, selector in chosen.items():
                by = "by (le) " if figure == "latency" else ""
                counted = expressions.counted(selector, since, seconds, by)
                yield expressions.named(counted, f"{revision}.{figure}")
            one = next(iter(chosen.values()))
            yield expressions.named(expressions.newest(one), f"{revision}.newest")
            restarted = expressions.restarts(one, seconds)
            yield expressions.named(restarted, f"{revision}.restarts")

    return " or ".join(parts())


def _seconds_since(request: ReadingRequest, moment: datetime) -> int:
    return max(1, math.ceil((moment - request.since).total_seconds()))


def _observed_at(
    figures: Figures,
    canary: RevisionCounts | None,
    stable: RevisionCounts | None,
    moment: datetime,
) -> datetime | None:
    """The newest sample's time, of the revision whose data is older; what is not seen any more is older still."""
    times = []
    for revision, counts in ((CANARY, canary), (STABLE, stable)):
        if counts is not None:
            newest = figures.get(f"{revision}.newest")
            seen = datetime.fromtimestamp(newest[0].value, UTC) if newest else moment - LOOKBACK
            times.append(seen)
    return min(times, default=None)


def _generation(figures: Figures) -> str:
    """How often counters have begun anew since the rollout began."""
    restarts = (
        one for revision in (CANARY, STABLE) for one in figures.get(f"{revision}.restarts", [])
    )
    return str(sum(_whole(one.value) for one in restarts))


def _whole(value: float) -> int:
    return max(0, round(value))
