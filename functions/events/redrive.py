"""An operator's command: publish the events of stream batches that failed, which were kept whole."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, Field

from controlplane.publishing.service import publish_changes
from controlplane.runtime.observability import logger
from controlplane.runtime.stream import changes_of
from controlplane.runtime.wiring.publishing import event_bus, failed_records


class RedriveCommand(BaseModel):
    """How many batches to take at most."""

    limit: int = Field(default=100, ge=1, le=1000)


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """`published` batches are deleted; `kept` ones hold an event that the bus did not take, and stay."""
    command = RedriveCommand.model_validate(event)
    logger.clear_state()
    logger.append_keys(request_id=context.aws_request_id)
    records, published, kept = failed_records(), 0, 0
    for name in records.list(command.limit):
        if publish_changes(changes_of(records.read(name)), bus=event_bus()):
            kept += 1
        else:
            records.delete(name)
            published += 1
    logger.info("redriven", extra={"published": published, "kept": kept})
    return {"published": published, "kept": kept}
