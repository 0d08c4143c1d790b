"""The embedded gateway's own metrics become readings."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.adapters.gateway_metrics import GatewayMetrics as GatewaySource
from controlplane.adapters.histograms import latency_buckets
from controlplane.adapters.metrics_http import MAX_BYTES
from controlplane.errors import MetricsUnavailableError
from local.gateway.metrics import GatewayMetrics
from tests.ports import free_port
from tests.unit.metrics.http_servers import Reply, serving
from tests.unit.metrics.requests_of_readings import CANARY, STABLE, reading_request

LABELS = ("tenant-acme", "vision--digits", "tenant-acme/x:80")


@pytest.fixture
def gateway() -> GatewayMetrics:
    """What the gateway counts with."""
    return GatewayMetrics()


@pytest.fixture
def source(gateway: GatewayMetrics) -> Iterator[GatewaySource]:
    with serving(lambda _: Reply(gateway.exposition())) as server:
        yield GatewaySource(f"{server.url}/metrics")


def test_requests_errors_and_latencies_are_those_of_each_revision(
    gateway: GatewayMetrics, source: GatewaySource
) -> None:
    for code, seconds in (
        (200, 0.0015),
        (404, 0.0015),
        (499, 0.3),
        (500, 0.3),
        (502, 3),
        (504, 99),
    ):
        gateway.answered((*LABELS, CANARY), code, seconds)
    for _ in range(10):
        gateway.answered((*LABELS, STABLE), 200, 0.0015)
    # Of others: their names begin alike.
    for labels in (
        ("tenant-globex", "vision--digits", "b", CANARY),
        ("tenant-acme", "vision--digits2", "b", CANARY),
        ("tenant-acme", "vision--digits", "b", f"{CANARY}0"),
    ):
        gateway.answered(labels, 500, 1)

    reading = source.read(reading_request())

    assert reading.canary
    assert reading.stable
    assert (reading.canary.requests, reading.canary.errors) == (5, 3), "499 was no answer"
    assert (reading.stable.requests, reading.stable.errors) == (10, 0)
    assert len(reading.canary.latency_counts) == len(reading.canary.latency_bounds) + 1
    by_bound = dict(
        zip((*reading.canary.latency_bounds, None), reading.canary.latency_counts, strict=True)
    )
    slowest_bound = max(reading.canary.latency_bounds)
    assert sum(by_bound.values()) == 6
    assert by_bound[None] == 1, f"99 s is slower than {slowest_bound} ms"
    quick = min(bound for bound in reading.canary.latency_bounds if bound >= 1.5)
    assert by_bound[quick] == 2, "1.5 ms"
    assert reading.observed_at
    assert datetime.now(UTC) - reading.observed_at < timedelta(seconds=5)
    assert (reading.values, reading.canary.events) == ({}, {})


def test_a_revision_that_nobody_asked_has_no_counts(
    gateway: GatewayMetrics, source: GatewaySource
) -> None:
    gateway.answered((*LABELS, STABLE), 200, 0.1)

    reading = source.read(reading_request())

    assert reading.canary is None
    assert reading.stable is not None
    assert source.read(reading_request(stable=None)).stable is None


def test_copies_are_counted_apart_and_those_never_sent_not_at_all(
    gateway: GatewayMetrics, source: GatewaySource
) -> None:
    gateway.answered((*LABELS, STABLE), 200, 0.1)
    gateway.answered((*LABELS, CANARY), 500, 0.1)
    for code in ("200", "200", "503", "unavailable", "error"):
        gateway.mirrored((*LABELS, CANARY), code, 0.2)
    for code in ("dropped", "too_large", "incomplete"):
        gateway.mirrored((*LABELS, CANARY), code)

    copies = source.read(reading_request(mirrored=True)).canary
    live = source.read(reading_request()).canary

    assert copies
    assert live
    assert (copies.requests, copies.errors, sum(copies.latency_counts)) == (5, 3, 5)
    assert (live.requests, live.errors) == (1, 1)


def test_copies_that_were_never_sent_leave_the_canary_dark(
    gateway: GatewayMetrics, source: GatewaySource
) -> None:
    gateway.mirrored((*LABELS, CANARY), "dropped")

    assert source.read(reading_request(mirrored=True)).canary is None


def test_a_restart_is_another_generation() -> None:
    gateways = [GatewayMetrics()]
    with serving(lambda _: Reply(gateways[-1].exposition())) as server:
        source = GatewaySource(f"{server.url}/metrics")
        before = source.read(reading_request()).generation
        assert source.read(reading_request()).generation == before
        later = GatewayMetrics()
        later._started.inc(1)
        gateways.append(later)

        assert before
        assert source.read(reading_request()).generation != before


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply("no", 404), "answer 404"),
        (Reply("no", 503), "answer 503"),
        (Reply("<html>", 200), "not in the Prometheus text format"),
        (Reply(b"\xff\xfe{", 200), "not in the Prometheus text format"),
        (Reply('x{a="b" 1', 200), "not in the Prometheus text format"),
        (Reply(b"#" * (MAX_BYTES + 1), 200), "more than"),
        (Reply("", 302, {"Location": "http://127.0.0.1:1/"}), "answer 302"),
    ],
)
def test_what_cannot_be_read_is_said_and_never_taken_for_no_errors(reply: Reply, said: str) -> None:
    with (
        serving(lambda _: reply) as server,
        pytest.raises(MetricsUnavailableError, match=said),
    ):
        GatewaySource(f"{server.url}/metrics").read(reading_request())


def test_a_gateway_that_is_not_there_is_said() -> None:
    source = GatewaySource(f"http://127.0.0.1:{free_port()}/metrics")

    with pytest.raises(MetricsUnavailableError, match="does not answer"):
        source.read(reading_request())


@given(st.lists(st.integers(min_value=0, max_value=1000), min_size=1, max_size=20))
def test_buckets_are_the_differences_of_the_cumulative_ones(counts: list[int]) -> None:
    bounds = [0.5 * 2**i for i in range(len(counts) - 1)]
    texts = [*(str(bound) for bound in bounds), "+Inf"]
    cumulative = [sum(counts[: i + 1]) for i in range(len(counts))]
    # In any order, and parted by another label.
    halves = [
        (text, part)
        for text, total in reversed(list(zip(texts, cumulative, strict=True)))
        for part in (total // 2, total - total // 2)
    ]

    found_bounds, found = latency_buckets(halves, 1000)

    assert found == tuple(counts)
    assert found_bounds == tuple(bound * 1000 for bound in bounds)


def test_a_scrape_between_two_increments_gives_no_negative_bucket() -> None:
    assert latency_buckets([("1", 5), ("2", 4), ("+Inf", 6)], 1) == ((1, 2), (5, 0, 1))


def test_a_histogram_without_its_last_bucket_is_none() -> None:
    assert latency_buckets([("1", 5), ("2", 7)], 1) == ((), ())
    assert latency_buckets([], 1) == ((), ())
