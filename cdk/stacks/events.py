"""The event bus, and the functions that put changes of the table on it."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.control_table import ControlTable
from cdk.constructs.dead_letter_queue import DeadLetterQueue
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.private_bucket import PrivateBucket
from cdk.target import Target


class EventsStack(Stack):
    """A record of the table's stream becomes an event, or lies whole in a bucket."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        target: Target,
        table: ControlTable,
        failed_records: PrivateBucket,
    ) -> None:
        super().__init__(scope, id, env=target.environment)
        self.bus = events.EventBus(self, "Bus", description="What happened in Headrace")
        layers = FunctionLayers(self, "Layers", target=target)
        settings = {"EVENT_BUS_NAME": self.bus.event_bus_name}
        self.publish = ControlPlaneFunction(
            self,
            "Publish",
            entry="events/publish",
            target=target,
            layers=layers.runtime,
            settings=settings,
            timeout=Duration.seconds(30),
        )
        self.redrive = ControlPlaneFunction(
            self,
            "Redrive",
            entry="events/redrive",
            target=target,
            layers=layers.runtime,
            settings={**settings, "FAILED_RECORDS_BUCKET": failed_records.bucket_name},
            timeout=Duration.minutes(5),
        )
        for function in (self.publish, self.redrive):
            function.allow(["events:PutEvents"], self.bus.event_bus_arn)
        self._publish_stream(table, failed_records)
        self._allow_redrive(failed_records)
        self.failed = DeadLetterQueue(self, "FailedRecords")
        self.undelivered = DeadLetterQueue(self, "RecordsFailedUndelivered")
        self._announce_failures(failed_records)
        CfnOutput(self, "EventBusName", value=self.bus.event_bus_name)
        CfnOutput(self, "RedriveFunctionName", value=self.redrive.function_name)
        CfnOutput(self, "FailedRecordsQueueUrl", value=self.failed.queue_url)

    def _publish_stream(self, table: ControlTable, failed_records: PrivateBucket) -> None:
        table.allow_stream(self.publish)
        failed_records.allow_objects(
            self.publish, "", "PutObject", because="Lambda chooses the names of failed batches"
        )
        failed_records.allow_bucket(self.publish, "ListBucket")
        lambda_.CfnEventSourceMapping(
            self,
            "Stream",
            function_name=self.publish.function_arn,
            event_source_arn=table.table_stream_arn,
            # From the stream's start: no change is made before the mapping that is not published.
            starting_position="TRIM_HORIZON",
            batch_size=100,
            function_response_types=["ReportBatchItemFailures"],
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=10,
            # Well inside the 24 hours that the stream keeps a record.
            maximum_record_age_in_seconds=12 * 3600,
            parallelization_factor=1,
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(
                    destination=failed_records.bucket_arn
                )
            ),
        ).node.add_dependency(self.publish.role)

    def _allow_redrive(self, failed_records: PrivateBucket) -> None:
        failed_records.allow_objects(
            self.redrive,
            "",
            "GetObject",
            "DeleteObject",
            because="Lambda chooses the names of failed batches",
        )
        failed_records.allow_bucket(self.redrive, "ListBucket")

    def _announce_failures(self, failed_records: PrivateBucket) -> None:
        """A message for each object in the bucket, for alarms and for people."""
        events.Rule(
            self,
            "RecordsFailed",
            description="Records of the table's stream that could not be published",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [failed_records.bucket_name]}},
            ),
            targets=[
                targets.SqsQueue(
                    self.failed,
                    dead_letter_queue=self.undelivered,
                    retry_attempts=48,
                    max_event_age=Duration.hours(24),
                )
            ],
        )
