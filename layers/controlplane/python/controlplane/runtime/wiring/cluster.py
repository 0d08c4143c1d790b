"""The way to the cluster's API."""

from functools import cache
from typing import TYPE_CHECKING

from controlplane.runtime.settings import ClusterSettings, OpeningsSettings, load
from controlplane.runtime.wiring import aws

if TYPE_CHECKING:
    from controlplane.adapters.kubernetes_api import KubernetesApi
    from controlplane.adapters.kubernetes_tenants import KubernetesTenants


@cache
def kubernetes_api() -> "KubernetesApi":
    """An EKS cluster by its name, any other by the secret with its server, CA and token."""
    from controlplane.adapters.cluster_access import eks_access, stored_access
    from controlplane.adapters.kubernetes_api import KubernetesApi

    settings = load(ClusterSettings)
    if settings.cluster_name:
        access = eks_access(aws.session(), settings.aws_region, settings.cluster_name)
    elif settings.cluster_secret_arn:
        access = stored_access(aws.client("secretsmanager"), settings.cluster_secret_arn)
    else:
        raise ValueError("neither CLUSTER_NAME nor CLUSTER_SECRET_ARN is set")
    return KubernetesApi(access)


@cache
def tenant_cluster() -> "KubernetesTenants":
    """Needs the account that makes tenants, `headrace-onboarding`."""
    from controlplane.adapters.kubernetes_tenants import KubernetesTenants
    from controlplane.adapters.tenant_network import Openings

    settings = load(OpeningsSettings)
    return KubernetesTenants(
        kubernetes_api(),
        Openings(
            storage=_ranges(settings.storage_cidrs),
            api_server=_ranges(settings.cluster_api_cidrs),
            gateway=settings.gateway_pods_namespace,
            pipelines=settings.pipelines_namespace,
            monitoring=settings.monitoring_namespace,
        ),
    )


def _ranges(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
