"""The inputs of the state machine `ModelRollout`'s tasks."""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any, Self

from pydantic import Field, ValidationError

from controlplane.errors import HeadraceError
from controlplane.reasons import Reason
from controlplane.runtime.tasks import TaskInput
from controlplane.serving.arrivals import RegisteredVersion
from controlplane.serving.model import RolloutState
from controlplane.serving.rollout import RolloutReference

OUR_ERRORS_WITH_REASON = frozenset({"RolloutFailedError", "RolloutTimedOutError"})


class DeploymentInput(TaskInput):
    """A deployment, and the execution that works on it."""

    tenant_id: str
    project: str
    deployment: str
    execution: str

    def log_context(self) -> dict[str, str]:
        return {
            "tenant_id": self.tenant_id,
            "project": self.project,
            "deployment": self.deployment,
        }


class RolloutInput(DeploymentInput):
    """A rollout that this execution carries out."""

    rollout_id: str

    @property
    def reference(self) -> RolloutReference:
        return RolloutReference(
            self.tenant_id, self.project, self.deployment, self.rollout_id, self.execution
        )


class TurnInput(RolloutInput):
    """One tick; `turn` counts those of this execution from 1."""

    turn: int


class WaitInput(RolloutInput):
    """The wait for the next tick. `commands`: the last that the tick before has seen."""

    token: str = Field(repr=False)
    commands: int


class OpeningInput(DeploymentInput):
    """An event that may start a rollout; `registered` when it is of a model version that is new or newly approved."""

    registered: RegisteredVersion | None = None

    @classmethod
    def parse(cls, given: dict[str, Any]) -> Self:
        """From `{"event": <our event>, "execution": <ARN>}`. A model's own deployment bears its name."""
        event = given["event"]
        metadata, data = event["detail"]["metadata"], event["detail"]["data"]
        registered = _registered(event["detail-type"], metadata, data)
        return cls(
            correlation_id=metadata["correlation_id"],
            causation_id=metadata["id"],
            tenant_id=metadata["tenant_id"],
            project=data["project"],
            deployment=data.get("deployment") or data["model"],
            execution=given["execution"],
            registered=registered,
        )


def _registered(
    kind: str, metadata: dict[str, Any], data: dict[str, Any]
) -> RegisteredVersion | None:
    """An approval's rollout is asked for when it is given, whenever the version was uploaded."""
    if kind not in ("ModelVersionRegistered", "VersionApproved"):
        return None
    moment = datetime.fromisoformat(metadata["time"])
    approved = kind == "VersionApproved"
    return RegisteredVersion(
        model=data["model"],
        number=data["model_version"],
        position=f"{moment:%Y-%m-%dT%H:%M:%SZ}!{moment.microsecond:06d}"
        if approved
        else data["position"],
        registered_at=moment,
        occasion=metadata["id"] if approved else "",
    )


class FailureInput(RolloutInput):
    """A rollout that cannot go on. `error` is the class of the error, `cause` what Lambda says of it (JSON)."""

    error: str
    cause: str

    @property
    def state(self) -> RolloutState:
        timed_out = self.error == "RolloutTimedOutError"
        return RolloutState.TIMED_OUT if timed_out else RolloutState.FAILED

    @property
    def why(self) -> Reason:
        return reason_of(self.error, self.cause)


def reason_of(error: str, cause: str) -> Reason:
    """What a person is told of an error that a state machine caught.

    Our own failures carry reason, message and remedy as JSON in the error's message, or are sentences for people. What
    another error says may name what is no tenant's business: that is left to the log.
    """
    try:
        message = str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        message = cause
    if error in OUR_ERRORS_WITH_REASON:
        # Step Functions cuts a long cause, and the failure must be recorded all the same.
        with suppress(ValidationError):
            return Reason.model_validate_json(message)
    if error not in _named(HeadraceError):
        message = f"a task of the rollout ended with {error}; what it says is in the platform's log"
    return Reason(
        code=error,
        message=message[:500] or "no message",
        remedy="Ask for a rollout again; if it fails again, tell the platform's administrators, who find it in the "
        "log of the state machine ModelRollout.",
    )


def _named(family: type[HeadraceError]) -> frozenset[str]:
    """The class names of a family of errors: of a caught one a state machine knows no more."""
    below = (_named(member) for member in family.__subclasses__())
    return frozenset({family.__name__}).union(*below)
