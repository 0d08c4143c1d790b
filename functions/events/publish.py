"""The table's stream: put the events inside changed items on the bus."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from controlplane.publishing.model import ItemChange
from controlplane.publishing.service import publish_changes
from controlplane.runtime.observability import logger
from controlplane.runtime.wiring import event_bus


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers the records that must be delivered again, by sequence number."""
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)
    changes = [_change(record) for record in DynamoDBStreamEvent(event).records]
    failed = publish_changes(changes, bus=event_bus())
    if failed:
        logger.warning("the bus did not take every event", extra={"failed": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


def _change(record: DynamoDBRecord) -> ItemChange:
    stream_record = record.dynamodb
    if stream_record is None or stream_record.sequence_number is None:
        raise ValueError("a stream record without content")
    return ItemChange(
        sequence_number=stream_record.sequence_number,
        old=stream_record.old_image or None,
        new=stream_record.new_image or None,
    )
