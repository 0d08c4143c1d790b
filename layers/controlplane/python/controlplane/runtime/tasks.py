"""Functions that state machines and rules invoke: an input of a declared shape, an output, and a log context."""

from collections.abc import Callable
from typing import Any, TypeVar

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict

from controlplane.errors import HeadraceError
from controlplane.events import correlated
from controlplane.runtime.observability import logger

Handler = Callable[[dict[str, Any], LambdaContext], Any]


class TaskInput(BaseModel):
    """What a task is given. Subclasses name its fields; what is more is ignored."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    correlation_id: str
    causation_id: str | None = None

    def log_context(self) -> dict[str, str]:
        """Fields for every log line of the task: tenant, project and the like."""
        return {}


Given = TypeVar("Given", bound=TaskInput)


def task(parse: Callable[[dict[str, Any]], Given]) -> Callable[[Callable[[Given], Any]], Handler]:
    """Make a Lambda handler of a function that takes one parsed input.

    `parse` turns the raw event into that input, usually `SomeInput.model_validate`. Errors are logged once, here,
    and raised on: the state machine matches their class names.
    """

    def decorate(work: Callable[[Given], Any]) -> Handler:
        def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
            given = parse(event)
            logger.clear_state()
            logger.append_keys(
                correlation_id=given.correlation_id,
                request_id=context.aws_request_id,
                **given.log_context(),
            )
            with correlated(given.correlation_id, given.causation_id):
                try:
                    return work(given)
                except HeadraceError as refused:
                    logger.warning(
                        "task refused", extra={"error": type(refused).__name__, "why": str(refused)}
                    )
                    raise

        return lambda_handler

    return decorate
