"""What happens to deployments: they are made, set up, switched and removed, and rollouts of them begin and end."""

from typing import ClassVar

from controlplane.events import DomainEvent
from controlplane.identifiers import Name, RolloutId
from controlplane.serving.model import ServingState
from controlplane.serving.states import RolloutState


class ServingEvent(DomainEvent):
    capability: ClassVar[str] = "serving"
    project: Name
    deployment: Name

    @property
    def subject(self) -> str:
        return f"projects/{self.project}/deployments/{self.deployment}"


class ServingPolicyChanged(DomainEvent):
    """What deployments of the project begin with, or whether versions are rolled out by themselves, is another."""

    capability: ClassVar[str] = "serving"
    project: Name
    changed_by: str

    @property
    def subject(self) -> str:
        return f"projects/{self.project}/serving-policy"


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
    """`state` tells how. `needs_execution` asks for a state machine for what is left to do.

    `rolled_back_seconds`: from the tick that saw why until all traffic was seen at `stable_version` again. `evidence`
    is where it will lie in the bucket, within seconds of the end; None for a rollout that never began.
    """

    rollout_id: RolloutId
    model_version: int
    model: Name | None = None
    state: RolloutState
    reason: str | None
    needs_execution: bool
    stable_version: int | None = None
    rolled_back_seconds: float | None = None
    evidence: str | None = None


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
