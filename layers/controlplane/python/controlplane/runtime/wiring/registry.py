"""What the registry works with."""

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from controlplane.registry.governance_ports import (
    AliasRepository,
    LineageRepository,
    RegistryPolicyRepository,
    VersionRepository,
)
from controlplane.registry.ports import (
    ArtifactScanner,
    ModelRepository,
    ProjectDirectory,
    UploadAuthority,
    UploadRepository,
)
from controlplane.registry.signing_ports import SignatureVerifier, SigningKeyRepository
from controlplane.runtime.settings import BucketSettings, UploadSettings, load
from controlplane.runtime.wiring import aws, tables

if TYPE_CHECKING:
    from controlplane.adapters.dynamodb_models import DynamoDBModels
    from controlplane.adapters.s3_artifacts import S3Artifacts
    from controlplane.adapters.sts_tenant_clients import TenantClients


@cache
def project_directory() -> ProjectDirectory:
    from controlplane.adapters.dynamodb_allowances import DynamoDBProjectDirectory

    return DynamoDBProjectDirectory(tables.table())


@cache
def _models() -> "DynamoDBModels":
    from controlplane.adapters.dynamodb_models import DynamoDBModels

    return DynamoDBModels(tables.table())


def model_repository() -> ModelRepository:
    return _models()


def version_repository() -> VersionRepository:
    return _models()


@cache
def alias_repository() -> AliasRepository:
    from controlplane.adapters.dynamodb_aliases import DynamoDBAliases

    return DynamoDBAliases(tables.table())


@cache
def registry_policy_repository() -> RegistryPolicyRepository:
    from controlplane.adapters.dynamodb_registry_policies import DynamoDBRegistryPolicies

    return DynamoDBRegistryPolicies(tables.table())


@cache
def lineage_repository() -> LineageRepository:
    from controlplane.adapters.dynamodb_lineage import DynamoDBLineage

    return DynamoDBLineage(tables.table())


@cache
def upload_repository() -> UploadRepository:
    from controlplane.adapters.dynamodb_uploads import DynamoDBUploads

    return DynamoDBUploads(tables.table())


@cache
def artifacts() -> "S3Artifacts":
    """The ArtifactStore of the registry and the ServedArtifacts of serving."""
    from controlplane.adapters.s3_artifacts import S3Artifacts

    return S3Artifacts(aws.client("s3"), load(BucketSettings).models_bucket)


@cache
def artifact_scanner() -> ArtifactScanner:
    from controlplane.adapters.picklescan_scanner import PicklescanScanner

    return PicklescanScanner()


@cache
def signing_key_repository() -> SigningKeyRepository:
    from controlplane.adapters.dynamodb_signing_keys import DynamoDBSigningKeys

    return DynamoDBSigningKeys(tables.table())


@cache
def signature_verifier() -> SignatureVerifier:
    from controlplane.adapters.ed25519_signatures import Ed25519Signatures

    return Ed25519Signatures()


@cache
def upload_authority() -> UploadAuthority:
    from controlplane.adapters.s3_upload_authority import S3UploadAuthority

    settings = load(UploadSettings)
    return S3UploadAuthority(
        lambda: tables.client_of_request(_own_s3, _tenants_s3),
        aws.client("sts"),
        settings.models_bucket,
        settings.upload_role_arn,
    )


def _own_s3() -> Any:
    return aws.client("s3")


@cache
def _tenants_s3() -> "TenantClients[Any]":
    from controlplane.adapters.sts_tenant_clients import TenantClients

    return TenantClients(tables.open_sessions(), partial(aws.client_as, "s3"))
