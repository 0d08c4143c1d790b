"""The table's stream: put what has changed on the queue of the audit recorder."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from controlplane.auditing.forwarding import forward_changes
from controlplane.runtime.observability import logger
from controlplane.runtime.stream import changes_of
from controlplane.runtime.wiring.auditing import change_queue


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers the records that must be delivered again, by sequence number."""
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)
    failed = forward_changes(changes_of(event), queue=change_queue())
    if failed:
        logger.warning("the queue did not take every change", extra={"failed": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
