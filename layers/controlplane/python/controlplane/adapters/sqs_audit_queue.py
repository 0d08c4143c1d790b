"""The FIFO queue between the table's stream and the recorder: a message group for each tenant."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.auditing.model import Change
from controlplane.errors import UnavailableError

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_ENTRIES = 10  # of one SendMessageBatch request


class SqsAuditQueue:
    """A ChangeQueue. Within five minutes the queue itself drops what was sent twice, by the event's id."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def send(self, changes: Sequence[Change]) -> Sequence[bool]:
        taken: list[bool] = []
        for start in range(0, len(changes), MAX_ENTRIES):
            taken += self._send(changes[start : start + MAX_ENTRIES])
            if not all(taken):
                break  # what follows must not overtake what is to be sent again
        return taken

    def _send(self, changes: Sequence[Change]) -> list[bool]:
        try:
            answer = self._client.send_message_batch(
                QueueUrl=self._url,
                Entries=[_entry(number, change) for number, change in enumerate(changes)],
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("the queue of changes did not answer") from failed
        refused = {entry["Id"] for entry in answer.get("Failed", [])}
        return [str(number) not in refused for number in range(len(changes))]


class SqsDeadLetters:
    """Takes messages that can never be recorded, whole."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def put(self, group: str, message_id: str, body: str) -> None:
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageGroupId=group,
                MessageDeduplicationId=message_id,
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("the dead-letter queue did not answer") from failed


def _entry(number: int, change: Change) -> "SendMessageBatchRequestEntryTypeDef":
    return {
        "Id": str(number),
        "MessageBody": json.dumps(change.model_dump(mode="json", exclude_none=True)),
        "MessageGroupId": change.tenant_id,
        "MessageDeduplicationId": change.event_id,
    }
