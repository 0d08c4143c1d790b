"""The audit trail: from the table's stream through a FIFO queue to a chain of records for each tenant."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge
from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.dead_letter_queue import DeadLetterQueue
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.key_ring import key_ring
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.stream_mapping import StreamMapping
from cdk.stacks.data import DataStack
from cdk.target import Target

_PLATFORMS = "PLATFORM#AUDIT"
_TENANTS = "TENANT#*#AUDIT"
_RECORDER_TIMEOUT = Duration.seconds(30)
# An hour of failures, at one attempt each visibility time-out.
_MAX_RECEIVES = 20


class AuditingStack(Stack):
    """Whoever reads the trail cannot write it, and whoever writes it cannot write anything else."""

    def __init__(self, scope: Construct, id: str, *, target: Target, data: DataStack) -> None:
        super().__init__(scope, id, env=target.environment, termination_protection=target.on_aws)
        self._target = target
        self._data = data
        self._layers = FunctionLayers(self, "Layers", target=target)
        self._secret = self._chain_keys()
        self._anchors = self._anchor_bucket()
        self.dead_letters = DeadLetterQueue(self, "DeadLetters", fifo=True)
        self.changes = self._queue()
        self.forward = self._forward()
        self._record()
        self.api = self._api()
        CfnOutput(self, "AuditQueueUrl", value=self.changes.queue_url)
        CfnOutput(self, "AuditDeadLettersUrl", value=self.dead_letters.queue_url)

    def _chain_keys(self) -> secretsmanager.Secret:
        return key_ring(
            self,
            "ChainKeys",
            target=self._target,
            description="Keys of the audit chains by their number; the highest makes new records",
            because="Older keys verify older records: a new one is added beside them, by an operator",
        )

    def _anchor_bucket(self) -> PrivateBucket:
        """On AWS nobody takes an anchor away before its time without a right that no role of ours has."""
        locked = {
            "object_lock_enabled": True,
            "object_lock_default_retention": s3.ObjectLockRetention.governance(Duration.days(400)),
        }
        bucket = PrivateBucket(
            self,
            "Anchors",
            key=self._data.key,
            target=self._target,
            versioned=True,
            **(locked if self._target.on_aws else {}),
        )
        acknowledge(bucket, "S1", "Its objects are a log themselves, and locked")
        return bucket

    def _queue(self) -> sqs.Queue:
        return sqs.Queue(
            self,
            "Changes",
            fifo=True,
            # A tenant's changes in their order, tenants beside each other.
            deduplication_scope=sqs.DeduplicationScope.MESSAGE_GROUP,
            fifo_throughput_limit=sqs.FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            # What Lambda recommends: six times the function's time.
            visibility_timeout=Duration.seconds(6 * _RECORDER_TIMEOUT.to_seconds()),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=_MAX_RECEIVES
            ),
        )

    def _function(
        self, id: str, module: str, settings: dict[str, str], timeout: Duration | None = None
    ) -> ControlPlaneFunction:
        return ControlPlaneFunction(
            self,
            id,
            entry=f"auditing/{module}",
            target=self._target,
            layers=self._layers.runtime,
            settings=settings,
            timeout=timeout,
        )

    def _forward(self) -> ControlPlaneFunction:
        """The stream's second reader, and the command for what it had to give up on."""
        settings = {"AUDIT_QUEUE_URL": self.changes.queue_url}
        forward = self._function("Forward", "forward_changes", settings, _RECORDER_TIMEOUT)
        failed = self._data.failed_records
        stream = StreamMapping(
            self, "Stream", table=self._data.table, function=forward, failed_records=failed
        )
        where = {
            "FAILED_RECORDS_BUCKET": failed.bucket_name,
            "FAILED_RECORDS_PREFIX": stream.failed_prefix,
        }
        redrive = self._function(
            "Redrive", "redrive_changes", settings | where, Duration.minutes(5)
        )
        failed.allow_objects(
            redrive,
            "",
            "GetObject",
            "DeleteObject",
            because="Lambda chooses the names of failed batches",
        )
        failed.allow_bucket(redrive, "ListBucket")
        for function in (forward, redrive):
            function.allow(["sqs:SendMessage"], self.changes.queue_arn)
        CfnOutput(self, "AuditRedriveFunctionName", value=redrive.function_name)
        return forward

    def _record(self) -> None:
        recorder = self._function(
            "Record",
            "record_changes",
            {
                "TABLE_NAME": self._data.table.table_name,
                "DEAD_LETTERS_URL": self.dead_letters.queue_url,
                **self._chain_settings(),
            },
            _RECORDER_TIMEOUT,
        )
        self._data.table.allow(
            recorder, "BatchGetItem", "PutItem", leading_keys=(_TENANTS, _PLATFORMS)
        )
        recorder.allow(["secretsmanager:GetSecretValue"], self._secret.secret_arn)
        self._anchors.allow_objects(
            recorder, "", "PutObject", because="An anchor is named after tenant, number and hash"
        )
        recorder.allow(["sqs:SendMessage"], self.dead_letters.queue_arn)
        recorder.allow(
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
            ],
            self.changes.queue_arn,
        )
        lambda_.CfnEventSourceMapping(
            self,
            "Queue",
            function_name=recorder.function_arn,
            event_source_arn=self.changes.queue_arn,
            batch_size=10,
            function_response_types=["ReportBatchItemFailures"],
        ).node.add_dependency(recorder.role)

    def _api(self) -> ControlPlaneFunction:
        cursors = self._data.cursor_secret
        api = self._function(
            "Api",
            "api",
            {
                "TABLE_NAME": self._data.table.table_name,
                "CURSOR_SECRET_ARN": cursors.secret_arn,
                **self._chain_settings(),
            },
        )
        self._data.tenant_access.allow(api)
        self._data.table.allow(api, "GetItem", "Query", leading_keys=(_PLATFORMS,))
        for secret in (cursors, self._secret):
            api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        self._anchors.allow_bucket(api, "ListBucket")
        return api

    def _chain_settings(self) -> dict[str, str]:
        return {
            "AUDIT_SECRET_ARN": self._secret.secret_arn,
            "AUDIT_ANCHORS_BUCKET": self._anchors.bucket_name,
        }
