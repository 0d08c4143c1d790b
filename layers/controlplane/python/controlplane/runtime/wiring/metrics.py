"""Where rollouts' figures come from, what sends their probes, and where their evidence goes."""

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from controlplane.runtime.settings import (
    BucketSettings,
    IngressSettings,
    MetricsSettings,
    RegionSettings,
    load,
)
from controlplane.runtime.wiring import aws, tables
from controlplane.serving.metric_ports import EvidenceLinks, EvidenceStore, MetricSource, Prober

if TYPE_CHECKING:
    from controlplane.adapters.prometheus_api import Authorize
    from controlplane.adapters.sts_tenant_clients import TenantClients


@cache
def metric_source() -> MetricSource:
    """The source that METRICS_SOURCE names."""
    settings = load(MetricsSettings)
    if settings.metrics_source == "Gateway":
        from controlplane.adapters.gateway_metrics import GatewayMetrics

        return GatewayMetrics(settings.metrics_url)
    if settings.metrics_source == "None":
        from controlplane.adapters.no_metrics import NoMetrics

        return NoMetrics()
    from controlplane.adapters.prometheus_api import PrometheusApi
    from controlplane.adapters.prometheus_metrics import PrometheusMetrics

    return PrometheusMetrics(
        PrometheusApi(settings.metrics_url, _authorize(settings)), settings.metrics_gateway
    )


def has_metric_source() -> bool:
    """Whether there are figures at all; known to functions that read none as well."""
    return bool(load(MetricsSettings).metrics_source != "None")


def counts_copies() -> bool:
    """Whether the figures tell of copies of requests; known to functions that read none as well."""
    settings = load(MetricsSettings)
    if settings.metrics_source not in ("Prometheus", "ManagedPrometheus"):
        return True
    from controlplane.adapters import metric_queries

    return metric_queries.counts_copies(settings.metrics_gateway)


def _authorize(settings: MetricsSettings) -> "Authorize | None":
    if settings.metrics_source == "ManagedPrometheus":
        from controlplane.adapters.amp_metrics import SignedAccess, workspace_region

        region = workspace_region(settings.metrics_url, load(RegionSettings).aws_region)
        return SignedAccess(aws.session(), region)
    if settings.metrics_secret_arn:
        from controlplane.adapters.prometheus_access import StoredAccess

        return StoredAccess(aws.client("secretsmanager"), settings.metrics_secret_arn)
    return None


@cache
def prober() -> Prober:
    from controlplane.adapters.http_prober import HttpProber

    return HttpProber(load(IngressSettings).ingress_url)


@cache
def evidence_store() -> EvidenceStore:
    from controlplane.adapters.s3_evidence import S3Evidence

    return S3Evidence(aws.client("s3"), load(BucketSettings).models_bucket)


@cache
def evidence_links() -> EvidenceLinks:
    """Signed with the session of the caller's tenant, which can read the evidence of that tenant alone."""
    from controlplane.adapters.s3_evidence import S3EvidenceLinks

    return S3EvidenceLinks(
        lambda: tables.client_of_request(_own_s3, _tenants_s3), load(BucketSettings).models_bucket
    )


def _own_s3() -> Any:
    return aws.client("s3")


@cache
def _tenants_s3() -> "TenantClients[Any]":
    from controlplane.adapters.sts_tenant_clients import TenantClients

    return TenantClients(tables.open_sessions(), partial(aws.client_as, "s3"))
