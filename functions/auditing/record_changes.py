"""The FIFO queue of changes: continue the audit chain of each tenant."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from controlplane.auditing.recording import Outcome, record_group
from controlplane.runtime.observability import logger
from controlplane.runtime.queues import messages_by_group
from controlplane.runtime.wiring.auditing import (
    audit_anchors,
    audit_ledger,
    chain_keys,
    dead_letters,
)


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers the messages that must come again; of a group, all after the first that failed."""
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)
    failed: list[str] = []
    for group, messages in messages_by_group(event).items():
        outcome = record_group(
            messages,
            ledger=audit_ledger(),
            anchors=audit_anchors(),
            keys=chain_keys(),
            dead_letters=dead_letters(),
        )
        _tell(group, outcome)
        failed += outcome.failed
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _tell(tenant_id: str, outcome: Outcome) -> None:
    """Head by head: the log is one more place that a chain cannot be cut off from."""
    for recorded in outcome.recorded:
        logger.info(
            "recorded",
            extra={
                "tenant_id": tenant_id,
                "count": recorded.count,
                "sequence": recorded.head.sequence,
                "hash": recorded.head.hash,
                "anchored": recorded.anchored,
            },
        )
    if outcome.error is not None:
        logger.warning(
            "changes must come again",
            extra={
                "tenant_id": tenant_id,
                "count": len(outcome.failed),
                "error": type(outcome.error).__name__,
                "why": str(outcome.error),
            },
        )
