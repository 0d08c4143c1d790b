"""The table's stream: put the events inside changed items on the bus."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from controlplane.publishing.service import publish_changes
from controlplane.runtime.observability import logger
from controlplane.runtime.stream import changes_of
from controlplane.runtime.wiring.publishing import event_bus


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers the records that must be delivered again, by sequence number."""
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)
    failed = publish_changes(changes_of(event), bus=event_bus())
    if failed:
        logger.warning("the bus did not take every event", extra={"failed": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
