"""The event bus, and the functions that put changes of the table on it."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.control_table import ControlTable
from cdk.constructs.dead_letter_queue import DeadLetterQueue
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.private_bucket import PrivateBucket
from cdk.constructs.stream_mapping import StreamMapping
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
        stream = StreamMapping(
            self, "Stream", table=table, function=self.publish, failed_records=failed_records
        )
        self.redrive.add_environment("FAILED_RECORDS_PREFIX", stream.failed_prefix)
        self._allow_redrive(failed_records)
        self.failed = DeadLetterQueue(self, "FailedRecords")
        self.undelivered = DeadLetterQueue(self, "RecordsFailedUndelivered")
        self._announce_failures(failed_records)
        CfnOutput(self, "EventBusName", value=self.bus.event_bus_name)
        CfnOutput(self, "RedriveFunctionName", value=self.redrive.function_name)
        CfnOutput(self, "FailedRecordsQueueUrl", value=self.failed.queue_url)

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
