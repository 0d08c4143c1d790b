"""Deployments, revisions and rollouts, and what happens to them."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from controlplane.events import DomainEvent
from controlplane.identifiers import Name, RolloutId
from controlplane.reasons import Reason
from controlplane.serving.settings import DeploymentSettings


class DeploymentStatus(StrEnum):
    CREATING = "Creating"
    READY = "Ready"
    ROLLING_OUT = "RollingOut"
    DEGRADED = "Degraded"
    FAILED = "Failed"
    STOPPED = "Stopped"
    DELETING = "Deleting"


class RolloutState(StrEnum):
    WAITING = "Waiting"
    RUNNING = "Running"
    PROMOTED = "Promoted"
    FAILED = "Failed"
    SUPERSEDED = "Superseded"
    TIMED_OUT = "TimedOut"


class ServingState(StrEnum):
    """Whether a deployment's revisions run. The two between are wanted, and not yet so in the cluster."""

    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    RESUMING = "Resuming"


class Revision(BaseModel):
    """One model version inside a deployment; `name` is its InferenceService."""

    model_config = ConfigDict(frozen=True)

    model_version: int
    name: str
    since: datetime


class RolloutTicket(BaseModel):
    """A rollout in a deployment's queue. `position` orders it: text that sorts by what was asked for last."""

    model_config = ConfigDict(frozen=True)

    rollout_id: RolloutId
    model_version: int
    position: str
    requested_by: str
    requested_at: datetime


class ActiveRollout(RolloutTicket):
    """The rollout that is being carried out, by which state machine execution, and until when."""

    execution: str
    started_at: datetime
    deadline: datetime


class RetiringRevision(BaseModel):
    """A revision that gets no more traffic and goes when `retire_at` has passed."""

    model_config = ConfigDict(frozen=True)

    model_version: int
    name: str
    retire_at: datetime


class EndedRollout(BaseModel):
    """How the deployment's last rollout ended."""

    model_config = ConfigDict(frozen=True)

    rollout_id: RolloutId
    model_version: int
    state: RolloutState
    ended_at: datetime
    reason: Reason | None = None


class Deployment(BaseModel):
    """A route of a project to the revisions of one model.

    `last_position` is the position of the newest rollout ever accepted: an older one that comes late is Superseded.
    """

    model_config = ConfigDict(frozen=True)

    name: Name
    model: Name
    created_at: datetime
    stable: Revision | None = None
    active: ActiveRollout | None = None
    waiting: RolloutTicket | None = None
    retiring: tuple[RetiringRevision, ...] = ()
    last_rollout: EndedRollout | None = None
    last_position: str = ""
    deleting: bool = False
    serving: ServingState = ServingState.RUNNING
    settings: DeploymentSettings = DeploymentSettings()
    version: int = 0

    @property
    def status(self) -> DeploymentStatus:
        if self.deleting:
            return DeploymentStatus.DELETING
        if self.serving is not ServingState.RUNNING:
            return DeploymentStatus.STOPPED
        if self.stable is not None:
            return DeploymentStatus.ROLLING_OUT if self.active else DeploymentStatus.READY
        if self.active is not None or self.waiting is not None or self.last_rollout is None:
            return DeploymentStatus.CREATING
        return DeploymentStatus.FAILED

    @property
    def held_versions(self) -> frozenset[int]:
        """The model versions that must not be deleted, because this deployment serves or will serve them."""
        held = {revision.model_version for revision in self.retiring}
        holders = (self.stable, self.active, self.waiting)
        return frozenset(held | {holder.model_version for holder in holders if holder})

    def with_changes(self, **changes: object) -> Self:
        return self.model_copy(update=changes)


class DeploymentRequest(BaseModel):
    """What a caller sends to make a deployment before a version is rolled out to it, or a further one of a model."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    model: Name = Field(description="The model whose versions it serves")
    settings: DeploymentSettings = DeploymentSettings()


class RolloutRequest(BaseModel):
    """What a caller sends to roll a version out, also one that was served before."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, description="The model version", examples=[1])


class Rollout(BaseModel):
    """Moving a deployment to a model version. Its record stays when it is over."""

    model_config = ConfigDict(frozen=True)

    rollout_id: RolloutId
    deployment: Name
    model_version: int
    state: RolloutState
    requested_by: str
    requested_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: Reason | None = None


class ServedVersion(BaseModel):
    """What serving needs to know of a registered model version."""

    model_config = ConfigDict(frozen=True)

    model: Name
    number: int
    uri: str
    format: str
    files: dict[str, str] = Field(description="SHA-256 of each file by its path, hexadecimal")


class ServingEvent(DomainEvent):
    capability: ClassVar[str] = "serving"
    project: Name
    deployment: Name

    @property
    def subject(self) -> str:
        return f"projects/{self.project}/deployments/{self.deployment}"


class DeploymentCreated(ServingEvent):
    """A deployment is there before its first version is rolled out to it."""

    model: Name
    created_by: str


class DeploymentSettingsChanged(ServingEvent):
    """The next rollout goes by other settings."""

    changed_by: str


class DeploymentStopped(ServingEvent):
    """Its revisions are to have no pods, and to keep what they are."""

    stopped_by: str


class DeploymentResumed(ServingEvent):
    resumed_by: str


class DeploymentSwitched(ServingEvent):
    """The cluster has done what was asked for: `serving` is Stopped or Running."""

    serving: ServingState


class RolloutRequested(ServingEvent):
    """A rollout stands in the queue. `needs_execution` asks for a state machine to carry it out.

    `after_failure`: an execution died before it, so the next one waits a while first.
    """

    rollout_id: RolloutId
    model_version: int
    superseded: RolloutId | None = None
    needs_execution: bool
    after_failure: bool = False


class RolloutStarted(ServingEvent):
    rollout_id: RolloutId
    model_version: int
    superseded: RolloutId | None = None


class RolloutEnded(ServingEvent):
    """`state` tells how. `needs_execution` asks for a state machine for what is left to do."""

    rollout_id: RolloutId
    model_version: int
    state: RolloutState
    reason: str | None
    needs_execution: bool


class RevisionRetired(ServingEvent):
    model_version: int


class RetirementPostponed(ServingEvent):
    """Revisions that should be gone could not be removed; a further state machine execution tries again later."""

    needs_execution: bool = True
    after_failure: bool = True


class DeploymentDeletionRequested(ServingEvent):
    """The deployment serves no more; a state machine execution removes what it has in the cluster."""

    deleted_by: str
    needs_execution: bool = True


class DeploymentDeleted(ServingEvent):
    """Nothing of the deployment is left in the cluster."""
