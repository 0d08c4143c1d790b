"""The inputs of the tasks of the state machines `TenantOnboarding` and `TenantOffboarding`."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal, Self

from controlplane.onboarding.execution import carry_out
from controlplane.onboarding.plan import Direction, NextStep
from controlplane.onboarding.ports import TenantPart, TenantRepository
from controlplane.reasons import Reason
from controlplane.runtime.tasks import TaskInput


class TenantInput(TaskInput):
    """A tenant, from one of its events."""

    tenant_id: str

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        """From our own event as the bus delivers it."""
        metadata = event["detail"]["metadata"]
        return cls(
            correlation_id=metadata["correlation_id"],
            causation_id=metadata["id"],
            tenant_id=metadata["tenant_id"],
        )

    def log_context(self) -> dict[str, str]:
        return {"tenant_id": self.tenant_id}


class WorkInput(TenantInput):
    """A tenant, and the execution that works on it."""

    execution: str


class StepInput(WorkInput):
    """One step to apply or to remove."""

    step: str
    direction: Direction

    def carry_out(
        self, parts: Mapping[str, TenantPart], tenants: TenantRepository
    ) -> dict[str, Any]:
        return described(
            carry_out(
                self.tenant_id,
                self.execution,
                self.step,
                self.direction,
                parts=parts,
                tenants=tenants,
            )
        )


class TurnInput(WorkInput):
    """What becomes of the work as a whole. `error` and `cause` tell why an onboarding is withdrawn."""

    turn: Literal["Open", "Withdraw", "Finish", "Continue"]
    error: str = ""
    cause: str = ""

    @classmethod
    def parse(cls, given: dict[str, Any]) -> Self:
        """From `{"event": <our event>, "execution": <ARN>, "turn": "Open"}`, or the work that this answered."""
        if "event" not in given:
            return cls.model_validate(given)
        asked = TenantInput.parse(given["event"])
        return cls(**asked.model_dump(), execution=given["execution"], turn=given["turn"])

    @property
    def reason(self) -> Reason:
        """What a person is told: the class of the error, and the message that Lambda reported with it."""
        try:
            message = str(json.loads(self.cause)["errorMessage"])
        except (ValueError, KeyError, TypeError):
            message = self.cause
        return Reason(
            code=self.error or "Unknown",
            message=message[:500] or "no message",
            remedy="Mend the cause and repeat the request: it makes the tenant anew.",
        )


class EndedWork(TenantInput):
    """An execution that has ended without its work being over."""

    execution: str
    status: str

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        """From Step Functions' own event; the execution's input was our event."""
        detail = event["detail"]
        asked = TenantInput.parse(json.loads(detail["input"]))
        return cls(**asked.model_dump(), execution=detail["executionArn"], status=detail["status"])


def described(step: NextStep) -> dict[str, Any]:
    """The step as a state machine is told of it."""
    return asdict(step)
