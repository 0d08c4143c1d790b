"""Messages of a FIFO queue, as Lambda hands them to a function."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.data_classes import SQSEvent

from controlplane.auditing.recording import Message


def messages_by_group(event: Mapping[str, Any]) -> dict[str, list[Message]]:
    """The messages of each group, in their order."""
    groups: dict[str, list[Message]] = {}
    for record in SQSEvent(dict(event)).records:
        group = record.attributes.message_group_id or ""
        groups.setdefault(group, []).append(Message(record.message_id, group, record.body))
    return groups
