"""What outlives every release: the table, the buckets, the key and the secrets."""

from aws_cdk import CfnOutput, Duration, SecretValue, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge
from cdk.constructs.control_table import ControlTable
from cdk.constructs.model_reader import ModelReader
from cdk.constructs.private_bucket import PrivateBucket, model_lifecycle
from cdk.constructs.tenant_access import TenantAccess
from cdk.target import Target


class DataStack(Stack):
    """State. Its resources are retained on AWS; the embedded cloud drops them with the stack."""

    def __init__(self, scope: Construct, id: str, *, target: Target) -> None:
        super().__init__(scope, id, env=target.environment, termination_protection=target.on_aws)
        self.key = kms.Key(
            self,
            "ModelsKey",
            description="Headrace's table, models and failed records",
            enable_key_rotation=True,
            removal_policy=target.removal,
        )
        self.table = ControlTable(self, "Table", key=self.key, target=target)
        access_logs = _access_logs(self, target) if target.on_aws else None
        self.models = PrivateBucket(
            self,
            "Models",
            key=self.key,
            target=target,
            access_logs=access_logs,
            versioned=True,
            lifecycle_rules=model_lifecycle(),
        )
        self.models.refuse_registry_writes()
        self.tenant_access = TenantAccess(
            self, "TenantAccess", table=self.table, key=self.key, models=self.models
        )
        self.failed_records = PrivateBucket(
            self,
            "FailedRecords",
            key=self.key,
            target=target,
            access_logs=access_logs,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(90))],
        )
        self.cursor_secret = secretsmanager.Secret(
            self,
            "CursorSecret",
            description="Signs the cursors of the API's lists",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                exclude_punctuation=True, password_length=64
            ),
            removal_policy=target.removal,
        )
        acknowledge(
            self.cursor_secret,
            "SMG4",
            "A change refuses the cursors that callers hold, so an operator chooses the moment",
        )
        # An EKS cluster knows the functions' roles, any other its own accounts.
        self.cluster_secret: secretsmanager.Secret | None = None
        self.onboarding_cluster_secret: secretsmanager.Secret | None = None
        self.model_reader_role: ModelReader | None = None
        if target.cluster_name:
            self.model_reader_role = ModelReader(
                self, "ModelReader", models=self.models, target=target
            )
            CfnOutput(self, "ModelReaderRoleArn", value=self.model_reader_role.role_arn)
        else:
            self.cluster_secret = _cluster_secret(self, "ClusterSecret", "headrace", target)
            self.onboarding_cluster_secret = _cluster_secret(
                self, "OnboardingClusterSecret", "headrace-onboarding", target
            )
            CfnOutput(self, "ClusterSecretArn", value=self.cluster_secret.secret_arn)
            CfnOutput(
                self,
                "OnboardingClusterSecretArn",
                value=self.onboarding_cluster_secret.secret_arn,
            )
        CfnOutput(self, "TableName", value=self.table.table_name)
        CfnOutput(self, "ModelsBucketName", value=self.models.bucket_name)
        CfnOutput(self, "ModelsKeyArn", value=self.key.key_arn)
        CfnOutput(self, "FailedRecordsBucketName", value=self.failed_records.bucket_name)


def _access_logs(scope: Construct, target: Target) -> s3.Bucket:
    return s3.Bucket(
        scope,
        "AccessLogs",
        # S3 delivers its access logs to no bucket with another encryption than its own.
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(365))],
        removal_policy=target.removal,
    )


def _cluster_secret(
    scope: Construct, id: str, account: str, target: Target
) -> secretsmanager.Secret:
    """Where a cluster that is no EKS cluster is written by whoever runs it, after deployment."""
    secret = secretsmanager.Secret(
        scope,
        id,
        description=f"The way into the cluster as {account}: its server, CA certificate and token",
        # No secret yet: the real value never passes through a template.
        secret_string_value=SecretValue.unsafe_plain_text("{}"),
        removal_policy=target.removal,
    )
    acknowledge(
        secret, "SMG4", "The cluster issues the token; whoever renews it there writes it here"
    )
    return secret
