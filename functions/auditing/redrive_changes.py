"""An operator's command: forward the changes of stream batches that failed, which were kept whole."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from controlplane.auditing.forwarding import forward_changes
from controlplane.runtime.observability import logger
from controlplane.runtime.stream import changes_of
from controlplane.runtime.wiring.auditing import change_queue
from controlplane.runtime.wiring.publishing import failed_records


class RedriveCommand(BaseModel):
    """How many batches to take at most."""

    limit: int = Field(default=100, ge=1, le=1000)


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """`forwarded` batches are deleted; `kept` ones hold a change that the queue did not take, and stay."""
    command = RedriveCommand.model_validate(event)
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)
    records, forwarded, kept = failed_records(), 0, 0
    for name in records.list(command.limit):
        if forward_changes(changes_of(records.read(name)), queue=change_queue()):
            kept += 1
        else:
            records.delete(name)
            forwarded += 1
    logger.info("redriven", extra={"forwarded": forwarded, "kept": kept})
    return {"forwarded": forwarded, "kept": kept}
