"""Which source a function gets is told by its settings alone."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from controlplane.adapters.amp_metrics import SignedAccess
from controlplane.adapters.gateway_metrics import GatewayMetrics
from controlplane.adapters.no_metrics import NoMetrics
from controlplane.adapters.prometheus_access import StoredAccess
from controlplane.adapters.prometheus_metrics import PrometheusMetrics
from controlplane.runtime import settings
from controlplane.runtime.wiring import aws, metrics
from tests.unit.metrics.requests_of_readings import reading_request


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    caches = (settings.load, metrics.metric_source, aws.session, aws.client)
    for name in ("SOURCE", "URL", "GATEWAY", "SECRET_ARN"):
        monkeypatch.delenv(f"METRICS_{name}", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_without_a_setting_nothing_is_known() -> None:
    source = metrics.metric_source()

    assert isinstance(source, NoMetrics)
    reading = source.read(reading_request())
    assert (reading.observed_at, reading.stable, reading.canary) == (None, None, None)


def test_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_SOURCE", "Gateway")
    monkeypatch.setenv("METRICS_URL", "http://127.0.0.1:9090/metrics")

    assert isinstance(metrics.metric_source(), GatewayMetrics)


@pytest.mark.parametrize(
    ("source", "secret", "access"),
    [
        ("Prometheus", None, None),
        ("Prometheus", "arn:aws:secretsmanager:x:y:secret:z", StoredAccess),
        ("ManagedPrometheus", None, SignedAccess),
    ],
)
def test_a_prometheus_and_how_it_lets_us_in(
    monkeypatch: pytest.MonkeyPatch, source: str, secret: str | None, access: type | None
) -> None:
    monkeypatch.setenv("METRICS_SOURCE", source)
    monkeypatch.setenv("METRICS_URL", "https://aps-workspaces.us-west-2.amazonaws.com/workspaces/w")
    if secret:
        monkeypatch.setenv("METRICS_SECRET_ARN", secret)

    made = metrics.metric_source()

    assert isinstance(made, PrometheusMetrics)
    authorize = made._api._authorize
    assert authorize is None if access is None else isinstance(authorize, access)
    if isinstance(authorize, SignedAccess):
        assert authorize._region == "us-west-2"


@pytest.mark.parametrize(
    ("source", "gateway", "counted"),
    [
        ("None", "istio", True),
        ("Gateway", "embedded", True),
        ("Prometheus", "envoy_gateway", True),
        ("Prometheus", "istio", False),
        ("ManagedPrometheus", "istio", False),
    ],
)
def test_whether_copies_are_counted_is_known_without_asking(
    monkeypatch: pytest.MonkeyPatch, source: str, gateway: str, counted: bool
) -> None:
    monkeypatch.setenv("METRICS_SOURCE", source)
    monkeypatch.setenv("METRICS_GATEWAY", gateway)

    assert metrics.counts_copies() is counted


def test_a_source_that_there_is_none_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_SOURCE", "Graphite")

    with pytest.raises(ValidationError, match="METRICS_SOURCE"):
        metrics.metric_source()
