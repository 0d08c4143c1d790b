"""The way to the cluster's API."""

from functools import cache
from typing import TYPE_CHECKING

from controlplane.runtime.settings import ClusterSettings, load
from controlplane.runtime.wiring import aws

if TYPE_CHECKING:
    from controlplane.adapters.kubernetes_api import KubernetesApi


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
