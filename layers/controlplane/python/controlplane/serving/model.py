"""Deployments, revisions and rollouts."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from controlplane.identifiers import Name, RolloutId
from controlplane.reasons import Reason
from controlplane.serving.progress import GivenCommand, Progress
from controlplane.serving.settings import DeploymentSettings
from controlplane.serving.states import Mechanism, Phase, RolloutKind
from controlplane.serving.states import RolloutState as RolloutState
from controlplane.serving.strategy import RolloutPolicy

# In one project, those that serve nothing included: these cost the cluster nothing, so no quota counts them.
MAX_DEPLOYMENTS = 1000


class DeploymentStatus(StrEnum):
    CREATING = "Creating"
    READY = "Ready"
    ROLLING_OUT = "RollingOut"
    DEGRADED = "Degraded"
    FAILED = "Failed"
    STOPPED = "Stopped"
    DELETING = "Deleting"


class ServingState(StrEnum):
    """Whether a deployment's revisions run. The two between are wanted, and not yet so in the cluster."""

    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    RESUMING = "Resuming"


class Revision(BaseModel):
    """One model version inside a deployment; `name` is its InferenceService, `gpus` are those of each replica."""

    model_config = ConfigDict(frozen=True)

    model_version: int
    name: str
    since: datetime
    mechanism: Mechanism = Mechanism.ROUTE
    settings: DeploymentSettings = DeploymentSettings()
    gpus: int = 0


class RetiringRevision(BaseModel):
    """A revision that gets no more traffic and goes when `retire_at` has passed.

    `previous`: until then it is kept warm at its full size, for a rollback at once.
    """

    model_config = ConfigDict(frozen=True)

    model_version: int
    name: str
    retire_at: datetime
    previous: bool = False
    mechanism: Mechanism = Mechanism.ROUTE
    settings: DeploymentSettings = DeploymentSettings()
    gpus: int = 0


class RolloutTicket(BaseModel):
    """A rollout in a deployment's queue. `position` orders it: text that sorts by what was asked for last.

    `policy` is its own; None for what the deployment is set to when it starts.
    """

    model_config = ConfigDict(frozen=True)

    rollout_id: RolloutId
    model_version: int
    position: str
    requested_by: str
    requested_at: datetime
    kind: RolloutKind = RolloutKind.ROLLOUT
    policy: RolloutPolicy | None = None


class ActiveRollout(RolloutTicket):
    """The rollout that is being carried out, by which state machine execution, and until when.

    `execution` is empty while one hands it over to the next. `ready_by`: until then the revision must be ready.
    `commands` are those given lately, `given` the number of the last. What its record says of its progress is here
    only as far as a caller sees it at a glance. `kept`: the revision that a rollback finds still running, as it was
    when it retired.
    """

    execution: str
    started_at: datetime
    ready_by: datetime
    deadline: datetime
    phase: Phase = Phase.PREPARING
    step: int = 0
    percent: int = 0
    paused: bool = False
    given: int = 0
    commands: tuple[GivenCommand, ...] = ()
    kept: RetiringRevision | None = None

    @property
    def warm(self) -> DeploymentSettings | None:
        """What the revision was rolled out with that is still running; None for one that is to be brought up."""
        return self.kept.settings if self.kept else None


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
    `carried_out` is the last rollout that has ended after its preflight: what was done for it is undone.
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
    carried_out: RolloutId | None = None
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
    def previous(self) -> RetiringRevision | None:
        """The revision before, while it is kept for a rollback at once."""
        return next((revision for revision in self.retiring if revision.previous), None)

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
    """What a caller sends to roll a version out, also one that was served before: by its number or by an alias."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(
        default=None, ge=1, le=99_999_999, description="The model version", examples=[1]
    )
    alias: Name | None = Field(
        default=None, description="Or the version that this alias names now; `latest` is the newest"
    )
    policy: RolloutPolicy | None = Field(
        default=None, description="For this rollout alone; without it the deployment's own"
    )

    @model_validator(mode="after")
    def _names_one_version(self) -> Self:
        if (self.version is None) == (self.alias is None):
            raise ValueError("name either a version or an alias")
        return self


class ObjectPin(BaseModel):
    """Which object version a file of a version is, and its size in bytes."""

    model_config = ConfigDict(frozen=True)

    size: int
    version_id: str | None = None


class ServedVersion(BaseModel):
    """What serving needs to know of a registered model version."""

    model_config = ConfigDict(frozen=True)

    model: Name
    number: int
    uri: str
    format: str
    files: dict[str, str] = Field(description="SHA-256 of each file by its path, hexadecimal")
    pins: dict[str, ObjectPin] = {}


class FrozenRevision(BaseModel):
    """A revision as a rollout took it when it started: its version, without the files, and its settings."""

    model_config = ConfigDict(frozen=True)

    version: ServedVersion
    settings: DeploymentSettings


class FrozenPlan(BaseModel):
    """What a rollout goes by, whatever is changed meanwhile."""

    model_config = ConfigDict(frozen=True)

    policy: RolloutPolicy
    mechanism: Mechanism
    canary: FrozenRevision
    stable: FrozenRevision | None = None


class Rollout(BaseModel):
    """Moving a deployment to a model version. Its record stays when it is over.

    `policy` is what was asked for it alone; `plan` is what it goes by, frozen by the preflight. In the plan `stable`
    is None for a first rollout and for one to the version that is served already.
    """

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
    kind: RolloutKind = RolloutKind.ROLLOUT
    policy: RolloutPolicy | None = None
    plan: FrozenPlan | None = None
    progress: Progress | None = None
    rolled_back_seconds: float | None = None
    evidence: str | None = Field(default=None, description="Where its evidence lies in the bucket")
