"""The one table of the control plane."""

from aws_cdk import Aws
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.target import Target

READ = ("GetItem", "BatchGetItem", "Query")
WRITE = ("PutItem", "UpdateItem", "ConditionCheckItem")

# What DynamoDB asks of the table's key in a caller's name; the first two are enough for reading.
KEY_USES = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


class ControlTable(dynamodb.Table):
    """Keys `pk` and `sk`, both strings; on demand; a stream of whole items; TTL `expires_at`."""

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey, target: Target) -> None:
        string = dynamodb.AttributeType.STRING
        super().__init__(
            scope,
            id,
            partition_key=dynamodb.Attribute(name="pk", type=string),
            sort_key=dynamodb.Attribute(name="sk", type=string),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=target.on_aws,
            removal_policy=target.removal,
        )
        self._key = key

    def allow_changes(self, function: ControlPlaneFunction) -> None:
        """Reads, never by a scan, and writes that may be conditional or in a transaction; never a delete."""
        self.allow(function, *READ, *WRITE)

    def allow(
        self,
        function: ControlPlaneFunction,
        *operations: str,
        leading_keys: tuple[str, ...] = (),
    ) -> None:
        """Allow just these operations, if wanted only on items whose `pk` matches a pattern."""
        function.allow(
            [f"dynamodb:{operation}" for operation in operations],
            self.table_arn,
            conditions=(
                {
                    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(leading_keys)},
                    # All keys of a request without any are whatever one likes.
                    "Null": {"dynamodb:LeadingKeys": "false"},
                }
                if leading_keys
                else None
            ),
        )
        writes = set(operations) & set(WRITE)
        function.allow(
            KEY_USES if writes else KEY_USES[:2], self._key.key_arn, conditions=via_dynamodb()
        )

    def allow_stream(self, function: ControlPlaneFunction) -> None:
        """What Lambda's poller needs to hand the table's stream to the function."""
        assert self.table_stream_arn is not None  # noqa: S101 - the stream is set in __init__
        function.allow(
            ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
            self.table_stream_arn,
        )
        function.allow(
            ["dynamodb:ListStreams"],
            f"{self.table_arn}/stream/*",
            because="Listing streams is asked of all streams of the table",
        )
        function.allow(["kms:Decrypt"], self._key.key_arn)


def via_dynamodb() -> dict[str, dict[str, str]]:
    """A statement's condition: the key is used by DynamoDB in the caller's name, never by the caller."""
    return {"StringEquals": {"kms:ViaService": f"dynamodb.{Aws.REGION}.amazonaws.com"}}
