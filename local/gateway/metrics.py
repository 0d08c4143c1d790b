"""Prometheus metrics of the gateway, in a registry of their own.

`backend` is `<service namespace>/<service>:<port>` and `revision` the value that the backendRef's
header filter gives `x-headrace-revision`. Label values come from routes, never from requests, so
that callers cannot grow the number of series; `code` is the status that the caller got. An answer
that broke off midway counts by what broke it: 502 the backend, 504 the time-out, 499 the caller.

Copies for mirrors are counted apart. A mirror's backendRef has no filter that names a revision, so
there it is the Service's name without `-predictor`. A change of `process_start_time_seconds` tells
a reader that all counters began anew.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LABELS = ("namespace", "route", "backend", "revision")
BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
LabelValues = tuple[str, str, str, str]


class GatewayMetrics:
    """What the gateway counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "headrace_gateway_requests",
            "Requests answered, by route, backend, revision and status code.",
            (*LABELS, "code"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "headrace_gateway_request_duration_seconds",
            "Time from a request's head to the last byte of its answer.",
            LABELS,
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "headrace_gateway_requests_in_flight",
            "Requests that wait for a backend or stream its answer.",
            LABELS,
            registry=self._registry,
        )
        self._mirrored = Counter(
            "headrace_gateway_mirrored_requests",
            "Copies for mirrors: `code` is the mirror's status, or why there was none (dropped: "
            "too many at once; too_large; incomplete; unavailable; error).",
            (*LABELS, "code"),
            registry=self._registry,
        )
        self._mirrored_durations = Histogram(
            "headrace_gateway_mirrored_request_duration_seconds",
            "Time from a copy's head to the last byte of its answer, or to its failure; copies that "
            "were never sent are not in it.",
            LABELS,
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._started = Gauge(
            "process_start_time_seconds",
            "When the gateway started, in seconds since the epoch.",
            registry=self._registry,
        )
        self._started.set(time.time())
        self._routes = Gauge(
            "headrace_gateway_programmed_routes", "Routes served.", registry=self._registry
        )

    @contextmanager
    def in_flight(self, labels: LabelValues) -> Iterator[None]:
        """Count a request while the block runs."""
        gauge = self._in_flight.labels(*labels)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def answered(self, labels: LabelValues, code: int, seconds: float) -> None:
        """Count an answer and its duration."""
        self._requests.labels(*labels, str(code)).inc()
        self._durations.labels(*labels).observe(seconds)

    def mirrored(self, labels: LabelValues, code: str, seconds: float | None = None) -> None:
        """Count the outcome of a copy; `seconds` is its duration, None where it was not sent."""
        self._mirrored.labels(*labels, code).inc()
        if seconds is not None:
            self._mirrored_durations.labels(*labels).observe(seconds)

    def programmed(self, routes: int) -> None:
        """Record how many routes are served."""
        self._routes.set(routes)

    def exposition(self) -> bytes:
        """Return everything in the Prometheus text format."""
        exposition: bytes = generate_latest(self._registry)
        return exposition
