"""How the table's stream is handed to a function."""

import json

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.control_table import ControlTable
from cdk.constructs.private_bucket import PrivateBucket

# Of all that changes, what carries an event; a removal has no new image. An event that is not new passes too: only
# the function sees the one before it.
_WITH_EVENT = {"dynamodb": {"NewImage": {"event": {"M": {"id": {"S": [{"exists": True}]}}}}}}


class StreamMapping(lambda_.CfnEventSourceMapping):
    """Records with an event, in their order; batches that fail for good lie whole in a bucket.

    At most two mappings may read the stream: more would be throttled.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        table: ControlTable,
        function: ControlPlaneFunction,
        failed_records: PrivateBucket,
    ) -> None:
        table.allow_stream(function)
        failed_records.allow_objects(
            function, "", "PutObject", because="Lambda chooses the names of failed batches"
        )
        failed_records.allow_bucket(function, "ListBucket")
        super().__init__(
            scope,
            id,
            function_name=function.function_arn,
            event_source_arn=table.table_stream_arn,
            # From the stream's start: no change is made before the mapping that is not handed on.
            starting_position="TRIM_HORIZON",
            batch_size=100,
            filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
                filters=[
                    lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(_WITH_EVENT))
                ]
            ),
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
        )
        self.node.add_dependency(function.role)

    @property
    def failed_prefix(self) -> str:
        """Where in the bucket the batches of this mapping lie."""
        return f"aws/lambda/{self.ref}/"
