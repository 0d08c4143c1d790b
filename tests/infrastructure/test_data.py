"""State: what is encrypted, kept, versioned and expired."""

from collections.abc import Callable
from typing import Any

from tests.infrastructure.assembly import Assembly


def test_the_table_streams_whole_items_and_recovers_to_any_point(assembly: Assembly) -> None:
    table = assembly.only("AWS::DynamoDB::Table").properties

    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    assert {a["AttributeType"] for a in table["AttributeDefinitions"]} == {"S"}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["SSESpecification"]["SSEType"] == "KMS"
    assert table["SSESpecification"]["KMSMasterKeyId"]["Fn::GetAtt"][0].startswith("ModelsKey")


def test_state_outlives_its_stack_on_aws_and_only_there(
    on_aws: Assembly, embedded: Assembly
) -> None:
    def policies(assembly: Assembly) -> set[str | None]:
        kinds = ("DynamoDB::Table", "S3::Bucket", "KMS::Key", "Cognito::UserPool")
        resources = assembly.resources(*(f"AWS::{kind}" for kind in kinds))
        assert len(resources) >= 5
        return {r.body.get("DeletionPolicy") for r in resources if r.stack != "Operations"}

    assert policies(on_aws) == {"Retain"}
    assert policies(embedded) == {"Delete"}
    assert on_aws.only("AWS::DynamoDB::Table").properties["DeletionProtectionEnabled"] is True
    assert embedded.only("AWS::DynamoDB::Table").properties["DeletionProtectionEnabled"] is False


def test_every_bucket_is_encrypted_private_and_owned_by_the_account(assembly: Assembly) -> None:
    for bucket in assembly.resources("AWS::S3::Bucket"):
        assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket.properties["OwnershipControls"] == {
            "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]
        }
        (encryption,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        if not bucket.id.startswith("AccessLogs"):
            assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
            assert encryption["BucketKeyEnabled"] is True


def test_buckets_and_queues_refuse_what_is_not_tls(assembly: Assembly) -> None:
    for kind, policy, holder in (
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
    ):
        refusing = {
            f"{p.stack}/{reference['Ref']}"
            for p in assembly.resources(policy)
            for reference in _as_list(p.properties[holder])
            if any(_refuses_plaintext(s) for s in p.properties["PolicyDocument"]["Statement"])
        }
        assert refusing == {r.name for r in assembly.resources(kind)}
        assert refusing


def test_models_are_versioned_announced_and_cleaned_up(assembly: Assembly) -> None:
    (models,) = [r for r in assembly.resources("AWS::S3::Bucket") if r.id.startswith("Models")]
    rules = {rule["Id"]: rule for rule in models.properties["LifecycleConfiguration"]["Rules"]}

    assert models.properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert models.properties["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    assert rules["abort-multipart-uploads"]["AbortIncompleteMultipartUpload"] == {
        "DaysAfterInitiation": 1
    }
    assert rules["expire-pending-uploads"] == {
        "Id": "expire-pending-uploads",
        "Status": "Enabled",
        "Prefix": "models/",
        "TagFilters": [{"Key": "headrace-upload", "Value": "pending"}],
        "ExpirationInDays": 7,
    }
    assert rules["expire-replaced-models"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    # Nothing but what was deleted or overwritten ever expires in the registry.
    assert "ExpirationInDays" not in rules["expire-replaced-registry"]


def test_access_to_buckets_is_logged_on_aws(on_aws: Assembly, embedded: Assembly) -> None:
    logged = [
        r.id for r in on_aws.resources("AWS::S3::Bucket") if "LoggingConfiguration" in r.properties
    ]

    assert len(logged) == 2
    assert not any(
        "LoggingConfiguration" in r.properties for r in embedded.resources("AWS::S3::Bucket")
    )


def test_no_secret_is_in_a_template(assembly: Assembly) -> None:
    for secret in assembly.resources("AWS::SecretsManager::Secret"):
        assert secret.properties.get("SecretString", "{}") == "{}"


def test_an_eks_cluster_needs_no_secret(synthesize: Callable[..., Assembly]) -> None:
    eks = synthesize(target="aws", cluster_name="tenants")
    other = synthesize(target="aws")

    def reaching(assembly: Assembly) -> dict[str, Any]:
        return next(
            f.settings for f in assembly.functions() if f.entry == "serving/advance_rollout"
        )

    assert "ClusterSecretArn" not in eks.outputs
    assert reaching(eks)["CLUSTER_NAME"] == "tenants"
    assert "CLUSTER_SECRET_ARN" not in reaching(eks)
    assert "ClusterSecretArn" in other.outputs
    assert "CLUSTER_NAME" not in reaching(other)
    assert "CLUSTER_SECRET_ARN" in reaching(other)


def _refuses_plaintext(statement: dict[str, Any]) -> bool:
    return statement["Effect"] == "Deny" and statement.get("Condition") == {
        "Bool": {"aws:SecureTransport": "false"}
    }


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
