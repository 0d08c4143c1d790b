"""The inputs of the state machine `TierPropagation`'s tasks."""

import json
from contextlib import suppress
from typing import Any, Self

from controlplane.reasons import Reason
from controlplane.runtime.tasks import TaskInput
from controlplane.tiers.propagation import Outcome, Result

MAX_MESSAGE = 300
REMEDY = (
    "Ask for the propagation again; if it fails again, look at the cluster's objects of the tenant."
)


class TenantInput(TaskInput):
    """One tenant that is to get its limits."""

    tenant_id: str

    def log_context(self) -> dict[str, str]:
        return {"tenant_id": self.tenant_id}


class FailedTenantInput(TenantInput):
    """A tenant that could not get them. `error` is the class of the error, `cause` what Lambda says of it."""

    error: str
    cause: str

    @property
    def reason(self) -> Reason:
        return reason_of(self.error, self.cause)


class PropagationInput(TaskInput):
    """A change of a tier, and the execution that brings it to the tenants."""

    tier: str
    generation: int
    execution: str

    @classmethod
    def parse(cls, given: dict[str, Any]) -> Self:
        """From `{"event": <our event>, "execution": <ARN>}`."""
        event = given["event"]
        metadata, data = event["detail"]["metadata"], event["detail"]["data"]
        return cls(
            correlation_id=metadata["correlation_id"],
            causation_id=metadata["id"],
            tier=data["tier"],
            generation=data["generation"],
            execution=given["execution"],
        )


class PageInput(PropagationInput):
    """A page of tenants with what became of each: the task's result, or `error` and `cause` of what it raised."""

    page: int
    after: str | None = None
    results: list[dict[str, Any]]
    shares: int

    @classmethod
    def parse(cls, given: dict[str, Any]) -> Self:
        opened = PropagationInput.parse(given)
        return cls.model_validate(opened.model_dump() | given)

    def outcomes(self) -> list[Result]:
        return [_result(entry) for entry in self.results]


class EndedExecutionInput(TaskInput):
    """An execution that died. Without a `tier` it was about one tenant."""

    tenant_id: str
    tier: str | None
    generation: int
    execution: str
    status: str

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        """Step Functions' status change; the execution's input was our event."""
        detail = event["detail"]
        started_by = json.loads(detail["input"])
        metadata, data = started_by["detail"]["metadata"], started_by["detail"]["data"]
        generation = data.get("generation")
        return cls(
            correlation_id=metadata["correlation_id"],
            causation_id=metadata["id"],
            tenant_id=metadata["tenant_id"],
            tier=None if generation is None else data["tier"],
            generation=generation or 0,
            execution=detail["executionArn"],
            status=detail["status"],
        )

    @property
    def reason(self) -> Reason:
        return Reason(
            code="ExecutionEnded",
            message=f"the state machine execution ended as {self.status}",
            remedy="Put the subscription again; if it ends so again, look at the execution's history.",
        )


def reason_of(error: str, cause: str) -> Reason:
    """What a person is told of an error that the state machine caught."""
    message = cause
    with suppress(ValueError, KeyError, TypeError):
        message = str(json.loads(cause)["errorMessage"])
    return Reason(code=error, message=message[:MAX_MESSAGE] or "no message", remedy=REMEDY)


def _result(entry: dict[str, Any]) -> Result:
    if "error" in entry:
        reason = reason_of(str(entry["error"]), str(entry.get("cause", "")))
        return Result(str(entry["tenant_id"]), Outcome.FAILED, reason)
    return Result(str(entry["tenant_id"]), Outcome(entry["outcome"]))
