"""Records of the table's stream as the changes that they are."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes import DynamoDBStreamEvent
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from controlplane.publishing.model import ItemChange


def changes_of(event: Mapping[str, Any]) -> list[ItemChange]:
    """The changes in a batch, in its order."""
    return [_change(record) for record in DynamoDBStreamEvent(dict(event)).records]


def _change(record: DynamoDBRecord) -> ItemChange:
    stream_record = record.dynamodb
    if stream_record is None or stream_record.sequence_number is None:
        raise ValueError("a stream record without content")
    return ItemChange(
        sequence_number=stream_record.sequence_number,
        old=stream_record.old_image or None,
        new=stream_record.new_image or None,
    )
