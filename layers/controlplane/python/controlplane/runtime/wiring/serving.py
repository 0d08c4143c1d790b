"""What serving works with."""

from functools import cache

from controlplane.runtime.settings import ClusterSettings, load
from controlplane.runtime.wiring import cluster, tables
from controlplane.serving.ports import (
    DeploymentRepository,
    LimitDirectory,
    RevisionCluster,
    VersionCatalog,
)


@cache
def version_catalog() -> VersionCatalog:
    from controlplane.adapters.dynamodb_models import DynamoDBModels, DynamoDBServedVersions

    return DynamoDBServedVersions(DynamoDBModels(tables.table()))


@cache
def deployment_repository() -> DeploymentRepository:
    from controlplane.adapters.dynamodb_deployments import DynamoDBDeployments

    return DynamoDBDeployments(tables.table())


@cache
def limit_directory() -> LimitDirectory:
    from controlplane.adapters.dynamodb_deployments import DynamoDBLimits

    return DynamoDBLimits(tables.table())


@cache
def revision_cluster() -> RevisionCluster:
    from controlplane.adapters.kubernetes_revisions import KubernetesRevisions

    settings = load(ClusterSettings)
    return KubernetesRevisions(
        cluster.kubernetes_api(), (settings.gateway_namespace, settings.gateway_name)
    )
