"""Chooses the adapter behind each port, once per Lambda container.

Adapters are imported inside the factories, so a function pays only for what it uses.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from controlplane.projects.ports import ProjectRepository
from controlplane.publishing.ports import EventBus, FailedRecords
from controlplane.registry.ports import (
    ModelRepository,
    ProjectDirectory,
    UploadAuthority,
    UploadRepository,
)
from controlplane.runtime.settings import (
    BucketSettings,
    BusSettings,
    ClusterSettings,
    CursorSettings,
    RedriveSettings,
    TableSettings,
    UploadSettings,
    load,
)
from controlplane.serving.ports import DeploymentRepository, RevisionCluster, VersionCatalog
from controlplane.tenancy.ports import AccessRepository, MembershipRepository

if TYPE_CHECKING:
    from controlplane.adapters.dynamodb_models import DynamoDBModels
    from controlplane.adapters.dynamodb_table import Table
    from controlplane.adapters.s3_artifacts import S3Artifacts


@cache
def table() -> "Table":
    from pydynox import DynamoDBClient

    from controlplane.adapters.dynamodb_table import Table

    settings = load(TableSettings)
    client = DynamoDBClient(
        region=settings.aws_region,
        endpoint_url=settings.endpoint_url,
        connect_timeout=1.0,
        read_timeout=2.0,
        max_retries=3,
    )
    return Table(client, settings.table_name)


@cache
def access_repository() -> AccessRepository:
    from controlplane.adapters.dynamodb_tenants import DynamoDBTenants
    from controlplane.runtime.access_cache import CachedAccess

    return CachedAccess(DynamoDBTenants(table()))


@cache
def membership_repository() -> MembershipRepository:
    from controlplane.adapters.dynamodb_tenants import DynamoDBMemberships

    return DynamoDBMemberships(table())


@cache
def project_repository() -> ProjectRepository:
    from controlplane.adapters.dynamodb_projects import DynamoDBProjects

    return DynamoDBProjects(table())


@cache
def project_directory() -> ProjectDirectory:
    from controlplane.adapters.dynamodb_models import DynamoDBProjectDirectory

    return DynamoDBProjectDirectory(table())


@cache
def _models() -> "DynamoDBModels":
    from controlplane.adapters.dynamodb_models import DynamoDBModels

    return DynamoDBModels(table())


def model_repository() -> ModelRepository:
    return _models()


@cache
def version_catalog() -> VersionCatalog:
    from controlplane.adapters.dynamodb_models import DynamoDBServedVersions

    return DynamoDBServedVersions(_models())


@cache
def upload_repository() -> UploadRepository:
    from controlplane.adapters.dynamodb_uploads import DynamoDBUploads

    return DynamoDBUploads(table())


@cache
def deployment_repository() -> DeploymentRepository:
    from controlplane.adapters.dynamodb_deployments import DynamoDBDeployments

    return DynamoDBDeployments(table())


@cache
def artifacts() -> "S3Artifacts":
    """The ArtifactStore of the registry and the ServedArtifacts of serving."""
    from controlplane.adapters.s3_artifacts import S3Artifacts

    return S3Artifacts(_aws("s3"), load(BucketSettings).models_bucket)


@cache
def upload_authority() -> UploadAuthority:
    from controlplane.adapters.s3_upload_authority import S3UploadAuthority

    settings = load(UploadSettings)
    return S3UploadAuthority(
        _aws("s3"), _aws("sts"), settings.models_bucket, settings.upload_role_arn
    )


@cache
def event_bus() -> EventBus:
    from controlplane.adapters.eventbridge_bus import EventBridgeBus

    return EventBridgeBus(_aws("events"), load(BusSettings).event_bus_name)


@cache
def failed_records() -> FailedRecords:
    from controlplane.adapters.s3_failed_records import S3FailedRecords

    return S3FailedRecords(_aws("s3"), load(RedriveSettings).failed_records_bucket)


@cache
def cursor_key() -> bytes:
    from controlplane.adapters.secretsmanager_secrets import read_secret

    return read_secret(_aws("secretsmanager"), load(CursorSettings).cursor_secret_arn).encode()


@cache
def revision_cluster() -> RevisionCluster:
    from controlplane.adapters.cluster_access import eks_access, stored_access
    from controlplane.adapters.kubernetes_api import KubernetesApi
    from controlplane.adapters.kubernetes_revisions import KubernetesRevisions

    settings = load(ClusterSettings)
    if settings.cluster_name:
        access = eks_access(_session(), settings.aws_region, settings.cluster_name)
    elif settings.cluster_secret_arn:
        access = stored_access(_aws("secretsmanager"), settings.cluster_secret_arn)
    else:
        raise ValueError("neither CLUSTER_NAME nor CLUSTER_SECRET_ARN is set")
    gateway = (settings.gateway_namespace, settings.gateway_name)
    return KubernetesRevisions(KubernetesApi(access), gateway)


@cache
def _session() -> Any:
    from botocore.session import get_session

    return get_session()


@cache
def _aws(service: str) -> Any:
    """A low-level client of an AWS service, in the function's region and with its role."""
    from botocore.config import Config

    config = Config(
        connect_timeout=2,
        read_timeout=60 if service == "s3" else 5,
        retries={"mode": "standard", "total_max_attempts": 3},
        signature_version="s3v4" if service == "s3" else None,
    )
    return _session().create_client(service, config=config)
