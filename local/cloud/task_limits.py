"""The time limits of a Task state, and the wait for the answer to its token, as Step Functions has them.

Limits may be computed (JSONata). They count from the task's start, the call that hands the token
over included. Source: "Task workflow state" in the AWS Step Functions Developer Guide.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypedDict

FIELDS = ("TimeoutSeconds", "HeartbeatSeconds")
# AWS' own default of TimeoutSeconds.
LONGEST_TASK_SECONDS = 99_999_999


class Callback(TypedDict):
    """What MiniStack keeps for a task token; `heartbeat` is a monotonic time here, None before any."""

    event: threading.Event
    heartbeat: float | None


class TimeLimits:
    """Evaluates the limits. `evaluate` gives a state's field by its expression, `fail` is MiniStack's error."""

    def __init__(self, evaluate: Callable[..., Any], fail: Callable[[str, str], Exception]) -> None:
        self._evaluate = evaluate
        self._fail = fail

    def __call__(
        self, state: dict[str, Any], state_input: Any, context: dict[str, Any]
    ) -> dict[str, Any]:
        """The state with numbers in place of expressions.

        Raises States.QueryEvaluationError for anything but a positive integer, as AWS does.
        """
        return state | {
            field: self._limit(state, field, state_input, context)
            for field in FIELDS
            if field in state
        }

    def _limit(
        self, state: dict[str, Any], field: str, state_input: Any, context: dict[str, Any]
    ) -> int:
        seconds = self._evaluate(state, field, "number", state_input, context)
        if not float(seconds).is_integer() or not 0 < seconds <= LONGEST_TASK_SECONDS:
            raise self._fail(
                "States.QueryEvaluationError",
                f"The {field} field must be a positive integer but was: {seconds}",
            )
        return int(seconds)


def await_answer(callback: Callback, state: dict[str, Any], started: float) -> tuple[str, str]:
    """Wait until the token is answered; the error and cause of a wait that was too long, or ("", "").

    `started` is the task's start on the monotonic clock.
    """
    end = started + state.get("TimeoutSeconds", LONGEST_TASK_SECONDS)
    silence = state.get("HeartbeatSeconds", LONGEST_TASK_SECONDS)
    while True:
        due = min(end, (callback["heartbeat"] or started) + silence)
        if callback["event"].wait(max(0.0, due - time.monotonic())):
            return "", ""
        now = time.monotonic()
        if now >= end:
            return "States.Timeout", f"no answer within {state['TimeoutSeconds']} seconds"
        if now >= (callback["heartbeat"] or started) + silence:
            return "States.HeartbeatTimeout", f"no heartbeat within {silence} seconds"
