"""What serving needs from the outside world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from controlplane.identifiers import revision_name
from controlplane.reasons import Reason
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.serving.deployment_events import (
    DeploymentCreated,
    DeploymentDeleted,
    RolloutEnded,
    ServingEvent,
    ServingPolicyChanged,
)
from controlplane.serving.model import Deployment, Rollout, ServedVersion
from controlplane.serving.progress import Tick
from controlplane.serving.project_policy import ServingPolicy
from controlplane.serving.runtimes import Runtime
from controlplane.serving.settings import DeploymentSettings

if TYPE_CHECKING:  # the cluster's ports are made of these
    from controlplane.serving.cluster_ports import ClusterChange


class DeploymentRepository(Protocol):
    def get(self, tenant_id: str, project: str, name: str) -> Deployment:
        """Raises NotFoundError."""
        ...

    def find(
        self, tenant_id: str, project: str, name: str, rollout_id: str | None = None
    ) -> tuple[Deployment | None, Rollout | None]:
        """The deployment, and one of its rollouts if one is named, in one read; None for what is not there."""
        ...

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[Deployment]: ...

    def get_rollout(
        self, tenant_id: str, project: str, deployment: str, rollout_id: str
    ) -> Rollout:
        """Raises NotFoundError."""
        ...

    def save(
        self,
        tenant_id: str,
        project: str,
        old: Deployment | None,
        new: Deployment,
        rollouts: Sequence[Rollout],
        event: ServingEvent,
        *,
        limit: int | None = None,
        ticks: Sequence[Tick] = (),
        endings: Sequence[RolloutEnded] = (),
    ) -> None:
        """Store the deployment over what was read before, with its changed rollouts and their ticks: all or nothing.

        `endings` are announced with the records of the rollouts of which they tell: those that `event` does not.

        Model versions that the deployment begins or ceases to hold are marked in the same write. One that holds
        any counts as one of the tenant's deployments, of which there may be `limit`; None will do for a change
        that cannot make a deployment hold its first. Raises NotFoundError when a version to hold has gone,
        QuotaExceededError, ConcurrentChangeError.
        """
        ...

    def save_progress(
        self,
        tenant_id: str,
        project: str,
        deployment: Deployment,
        rollout: Rollout,
        *,
        tick: Tick | None = None,
        changed: Deployment | None = None,
        event: ServingEvent | None = None,
    ) -> None:
        """Store how far the active rollout is, with the tick that brought it there: all or nothing.

        The deployment is written only where something visible `changed`, over what was read before and with its
        event; otherwise it must merely still be carried out by the same execution. Raises ConcurrentChangeError,
        also where another tick was stored since the rollout was read.
        """
        ...

    def record_closing(self, tenant_id: str, project: str, rollout: Rollout, tick: Tick) -> None:
        """Add what was done after the end to a rollout's ticks; its number is one more than those before.

        Raises ConcurrentChangeError where another was added since the rollout was read.
        """
        ...

    def list_rollouts(
        self, tenant_id: str, project: str, deployment: str, page: PageRequest
    ) -> Page[Rollout]:
        """The newest first, as they were when they were asked for, began or ended: without progress."""
        ...

    def list_ticks(
        self, tenant_id: str, project: str, deployment: str, rollout_id: str, page: PageRequest
    ) -> Page[Tick]:
        """The oldest first; they are kept for 90 days."""
        ...

    def record_evidence(
        self, tenant_id: str, project: str, rollout: Rollout, evidence: str
    ) -> None:
        """Note in the rollout's record, and in the list's, that its evidence lies there."""
        ...

    def add(
        self,
        tenant_id: str,
        project: str,
        deployment: Deployment,
        event: DeploymentCreated,
        request: IdempotentRequest | None,
    ) -> Deployment:
        """Store a new deployment that holds no version; a repeat of the same request returns the first one.

        Raises NotFoundError for an unknown project, AlreadyExistsError, IdempotencyKeyReusedError, and
        LimitExceededError in a project that has MAX_DEPLOYMENTS of them.
        """
        ...

    def remove(
        self, tenant_id: str, project: str, deployment: Deployment, event: DeploymentDeleted
    ) -> None:
        """Remove a deployment that holds no version. Raises ConcurrentChangeError."""
        ...


class LimitDirectory(Protocol):
    def max_deployments(self, tenant_id: str) -> int:
        """How many deployments the tenant may have."""
        ...


class VersionCatalog(Protocol):
    def get_version(self, tenant_id: str, project: str, model: str, number: int) -> ServedVersion:
        """Raises NotFoundError."""
        ...

    def get_candidate(
        self, tenant_id: str, project: str, model: str, number: int
    ) -> tuple[ServedVersion, Sequence[Reason]]:
        """The version, and why the project's policy does not let it serve, each with its remedy, in one read.

        Codes: NotApproved, ApprovalRejected, GateNotMet, NotWorseThanChampion, ScanNotClean, SignatureMissing.
        Raises NotFoundError."""
        ...


class ServedArtifacts(Protocol):
    def find_fault(self, version: ServedVersion) -> str | None:
        """What of a version's files is missing or not as it was registered; None when all is well."""
        ...


class RevisionState(StrEnum):
    READY = "Ready"
    PROGRESSING = "Progressing"
    FAILED = "Failed"
    MISSING = "Missing"


@dataclass(frozen=True)
class RevisionObservation:
    """How a revision is, from the cluster's own objects. `reason` is KServe's word, `message` what it says.

    `serves`: it is not READY, which is at its full size, and yet has a replica that answers: it grows, or lost some.
    """

    state: RevisionState
    reason: str = ""
    message: str = ""
    serves: bool = False

    @property
    def answers(self) -> bool:
        return self.serves or self.state is RevisionState.READY


@dataclass(frozen=True)
class RevisionSpec:
    """What a revision's InferenceService is made from."""

    tenant_id: str
    project: str
    deployment: str
    rollout_id: str
    version: ServedVersion
    runtime: Runtime
    settings: DeploymentSettings = field(default_factory=DeploymentSettings)

    @property
    def name(self) -> str:
        return revision_name(self.project, self.deployment, self.version.number)


class TickWaits(Protocol):
    """Where the task token of the execution that waits for a deployment's next tick is kept."""

    def remember(
        self, tenant_id: str, project: str, deployment: str, token: str, expires_at: datetime
    ) -> None: ...

    def find(self, tenant_id: str, project: str, deployment: str) -> str | None: ...


class TaskTokens(Protocol):
    def complete(self, token: str) -> None:
        """Wake the task that waits on it; one that waits no more is no error. Raises UnavailableError."""
        ...


class RevisionCluster(Protocol):
    """The revisions that serve no longer. Everything raises ClusterUnavailableError, ClusterRefusedError."""

    def find_revision_mark(self, tenant_id: str, name: str) -> str | None:
        """What identifies the present state of the revision's object; None when there is none."""
        ...

    def delete_revision(self, tenant_id: str, name: str, mark: str) -> None:
        """Delete the object if it still is in the state that `mark` names. Raises ConcurrentChangeError."""
        ...

    def apply_route(
        self, tenant_id: str, project: str, deployment: str, weights: Mapping[str, int]
    ) -> "Sequence[ClusterChange]":
        """Write the deployment's whole HTTPRoute: revision names and the percentage of traffic of each.

        Returns what was written.
        """
        ...

    def find_weights(
        self, tenant_id: str, project: str, deployment: str
    ) -> Mapping[str, int] | None:
        """The most that any rule of the route gives each revision, a header's rule and copies included.

        None when there is no route.
        """
        ...

    def delete_route(self, tenant_id: str, project: str, deployment: str) -> None:
        """Deleting a route that is not there is no error."""
        ...


class RevisionSwitch(Protocol):
    """Takes revisions to no pods and back, keeping their specs. Raises as RevisionCluster does."""

    def set_stopped(self, tenant_id: str, names: Sequence[str], *, stopped: bool) -> None:
        """Revisions that are not there are left out; repeating it changes nothing."""
        ...


class ServingPolicyRepository(Protocol):
    def get(self, tenant_id: str, project: str) -> ServingPolicy:
        """What was set, or the defaults. Raises NotFoundError for an unknown project."""
        ...

    def put(
        self, tenant_id: str, project: str, policy: ServingPolicy, event: ServingPolicyChanged
    ) -> None:
        """Store it over the version before. Raises ConcurrentChangeError."""
        ...


class AliasDirectory(Protocol):
    def version_of(self, tenant_id: str, project: str, model: str, alias: str) -> int:
        """The version that an alias names now; of `latest` the newest. Raises NotFoundError."""
        ...
