"""The queue of deliveries. A message group a tenant: SQS then serves tenants evenly, however much one of them has.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
"""

import json
import math
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError
from controlplane.webhooks.ports import Notice

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_ENTRIES = 10  # of one SendMessageBatch request
MAX_DELAY_SECONDS = 900


class SqsDeliveryQueue:
    """A DeliveryQueue. Of a longer delay the rest is waited for when the message comes."""

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def send(self, notices: Sequence[Notice], delay: timedelta = timedelta(0)) -> None:
        seconds = min(MAX_DELAY_SECONDS, max(0, math.ceil(delay.total_seconds())))
        for start in range(0, len(notices), MAX_ENTRIES):
            self._send(notices[start : start + MAX_ENTRIES], seconds)

    def _send(self, notices: Sequence[Notice], seconds: int) -> None:
        try:
            answer = self._client.send_message_batch(
                QueueUrl=self._url,
                Entries=[_entry(n, notice, seconds) for n, notice in enumerate(notices)],
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("the queue of deliveries did not answer") from failed
        if answer.get("Failed"):
            raise UnavailableError("the queue of deliveries did not take every message")


def _entry(number: int, notice: Notice, seconds: int) -> "SendMessageBatchRequestEntryTypeDef":
    told = {
        "tenant_id": notice.tenant_id,
        "webhook": notice.webhook,
        "delivery_id": notice.delivery_id,
        "correlation_id": notice.correlation_id,
        "attempt": notice.attempt,
        "due": notice.due.isoformat() if notice.due else None,
        "deferred": notice.deferred,
    }
    return {
        "Id": str(number),
        "MessageBody": json.dumps(told),
        "MessageGroupId": notice.tenant_id,
        "DelaySeconds": seconds,
    }
