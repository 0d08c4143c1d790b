"""Buckets: encrypted by our key, TLS only, nothing public, owned by the account alone."""

from typing import Any

from aws_cdk import Aws, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.target import Target

# A statement's condition: the key is used by S3 in the caller's name, never by the caller.
VIA_S3 = {"StringEquals": {"kms:ViaService": f"s3.{Aws.REGION}.amazonaws.com"}}
# What the role of a function bears that may write below registry/.
WRITER_TAG = "headrace:registry-writer"
# What S3 asks of the key; writing decrypts as well, as parts of an upload are read back.
_KEY_USES = {
    "GetObject": ("kms:Decrypt",),
    "PutObject": ("kms:GenerateDataKey", "kms:Decrypt"),
}


class PrivateBucket(s3.Bucket):
    """A bucket with the house defaults whose object events reach the default event bus."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        key: kms.IKey,
        target: Target,
        access_logs: s3.IBucket | None = None,
        **properties: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix=f"{id}/" if access_logs else None,
            removal_policy=target.removal,
            **properties,
        )
        self.key = key
        # The property itself: CDK's `event_bridge_enabled` sets it by a custom resource.
        resource = self.node.default_child
        assert isinstance(resource, s3.CfnBucket)  # noqa: S101 - how CDK builds a bucket
        resource.add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True
        )

    def allow_objects(
        self, function: ControlPlaneFunction, prefix: str, *operations: str, because: str
    ) -> None:
        """Allow S3 operations on the objects below a prefix, and the key if they see content."""
        function.allow(
            [f"s3:{operation}" for operation in operations],
            self.arn_for_objects(f"{prefix}*"),
            because=because,
        )
        uses = {use for operation in operations for use in _KEY_USES.get(operation, ())}
        if uses:
            function.allow(sorted(uses), self.key.key_arn, conditions=VIA_S3)

    def refuse_registry_writes(self) -> None:
        """Nobody writes below registry/ but functions that `allow_registry_writes` names, whatever their rights.

        A tag tells them: they belong to stacks that need this bucket.
        """
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid="OnlyRegistrationWritesTheRegistry",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["s3:PutObject", "s3:ReplicateObject"],
                resources=[self.arn_for_objects("registry/*")],
                conditions={"StringNotEquals": {f"aws:PrincipalTag/{WRITER_TAG}": "true"}},
            )
        )

    def allow_registry_writes(self, function: ControlPlaneFunction) -> None:
        """Exempt a function from the refusal; its own policy grants the right."""
        assert function.role is not None  # noqa: S101 - every function of ours has one
        role = function.role.node.default_child
        assert isinstance(role, iam.CfnRole)  # noqa: S101 - how CDK builds a role
        role.tags.set_tag(WRITER_TAG, "true")

    def allow_bucket(self, function: ControlPlaneFunction, *operations: str) -> None:
        """Allow operations on the bucket itself, such as ListBucket."""
        function.allow([f"s3:{operation}" for operation in operations], self.bucket_arn)


def model_lifecycle() -> list[s3.LifecycleRule]:
    """Uploads that were never completed go after a week, replaced files after a month."""
    return [
        s3.LifecycleRule(
            id="abort-multipart-uploads",
            abort_incomplete_multipart_upload_after=Duration.days(1),
        ),
        s3.LifecycleRule(
            id="expire-pending-uploads",
            prefix="models/",
            tag_filters={"headrace-upload": "pending"},
            expiration=Duration.days(7),
        ),
        *(
            s3.LifecycleRule(
                id=f"expire-replaced-{prefix}",
                prefix=f"{prefix}/",
                noncurrent_version_expiration=Duration.days(30),
                expired_object_delete_marker=True,
            )
            for prefix in ("models", "registry")
        ),
    ]
