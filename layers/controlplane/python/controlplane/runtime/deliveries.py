"""Messages of the webhooks' queues, as Lambda hands them to a function."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aws_lambda_powertools.utilities.data_classes import SQSEvent
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict

from controlplane.errors import HeadraceError
from controlplane.runtime.observability import logger
from controlplane.webhooks.ports import Notice


class NoticeMessage(BaseModel):
    """A notice as it lies in the queue."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    tenant_id: str
    webhook: str
    delivery_id: str
    correlation_id: str
    attempt: int
    due: datetime | None = None
    deferred: int = 0

    def notice(self, received: int) -> Notice:
        return Notice(**self.model_dump(), received=received)


def each_message(
    work: Callable[[str, int], None],
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """A Lambda handler that does `work` for each message, given its body and how often it was handed out.

    It answers the messages that failed in a way that we know; they come again, and others' do not wait for them.
    """

    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        failed: list[str] = []
        for record in SQSEvent(dict(event)).records:
            logger.clear_state()
            logger.append_keys(request_id=context.aws_request_id)
            received = int(record.attributes.approximate_receive_count)
            try:
                work(record.body, received)
            except HeadraceError as again:
                error = {"error": type(again).__name__, "why": str(again)}
                logger.warning("a message must come again", extra=error)
                failed.append(record.message_id)
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    return lambda_handler
