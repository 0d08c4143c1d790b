"""A deployment's world: versions, events, a cluster, and the state machine `ModelRollout` step by step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from controlplane.errors import (
    ClusterRefusedError,
    ConcurrentChangeError,
    HeadraceError,
    RolloutFailedError,
    RolloutNotActiveError,
    RolloutTimedOutError,
    ThrottledError,
    UnavailableError,
)
from controlplane.events import DomainEvent
from controlplane.identifiers import now
from controlplane.projects.model import Project
from controlplane.reasons import Reason
from controlplane.registry.manifest import ManifestFile
from controlplane.registry.model import Model, ModelVersion, VersionSource
from controlplane.serving.ended_execution import record_ended_execution
from controlplane.serving.model import (
    Deployment,
    EndedRollout,
    Rollout,
    RolloutEnded,
    RolloutState,
    ServingEvent,
)
from controlplane.serving.opening import Action, Opened, RegisteredVersion, open_rollout
from controlplane.serving.ports import RevisionState
from controlplane.serving.retirement import retire_revisions
from controlplane.serving.rollout import (
    RolloutReference,
    apply_revision,
    check_revision,
    check_rollout,
    fail_rollout,
    finish_rollout,
    shift_traffic,
)
from controlplane.serving.service import request_rollout
from tests.fakes import (
    MemoryArtifacts,
    MemoryCluster,
    MemoryDeployments,
    MemoryLimits,
    MemoryTable,
    MemoryVersionCatalog,
)

TENANT, PROJECT, NAME = "acme", "vision", "digits"
PLACE = (TENANT, PROJECT, NAME)
TIMEOUT = timedelta(minutes=30)
GRACE = timedelta(minutes=5)
CONTENT = b"the weights"
MANY = 50
RETRIED = (UnavailableError, ThrottledError, ConcurrentChangeError)


def revision(number: int) -> str:
    return f"{PROJECT}--{NAME}--v{number}"


@dataclass
class World:
    """One deployment of one tenant; `asked` are the events that ask for an execution."""

    table: MemoryTable = field(default_factory=MemoryTable)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    executions: int = 0

    def __post_init__(self) -> None:
        project = Project(name=PROJECT, created_at=now(), created_by="ada")
        self.table.projects[TENANT, PROJECT] = project
        self.table.models[PLACE] = Model(name=NAME, created_at=now())
        self.limits = MemoryLimits(self.table)
        self.deployments = MemoryDeployments(self.table)
        self.versions = MemoryVersionCatalog(self.table)

    def register(
        self, number: int, *, model_format: str = "sklearn", position: str = ""
    ) -> RegisteredVersion:
        """A version is registered; what its event says."""
        prefix = f"registry/tenant-{TENANT}/{PROJECT}/{NAME}/{number}"
        self.artifacts.put(f"{prefix}/model.pkl", CONTENT, modified_at=now())
        digest = sha256(CONTENT).hexdigest()
        position = position or f"{now():%Y-%m-%dT%H:%M:%SZ}#{number:032d}"
        self.table.versions[*PLACE, number] = ModelVersion(
            model=NAME,
            number=number,
            uri=f"s3://{self.artifacts.bucket}/{prefix}",
            format=model_format,
            files=(ManifestFile(path="model.pkl", size=len(CONTENT), sha256=digest),),
            size=len(CONTENT),
            digest=digest,
            source=VersionSource(key="k", version_id=f"v{number}", upload_id=f"f-{number}"),
            position=position,
            registered_at=now(),
        )
        return RegisteredVersion(NAME, number, position, now())

    def next_execution(self) -> str:
        self.executions += 1
        return f"execution-{self.executions}"

    def open(
        self, registered: RegisteredVersion | None = None, execution: str | None = None
    ) -> tuple[Opened, RolloutReference]:
        """The first step of an execution, and the reference that its other steps take."""
        execution = execution or self.next_execution()
        opened = open_rollout(
            *PLACE, execution, TIMEOUT, registered, deployments=self.deployments, limits=self.limits
        )
        return opened, RolloutReference(*PLACE, opened.rollout_id or "", execution)

    def start(self, registered: RegisteredVersion) -> RolloutReference:
        """The reference of a rollout that has started at once."""
        opened, reference = self.open(registered)
        assert opened.action is Action.ROLL_OUT
        return reference

    def request(self, number: int, requested_by: str = "ada") -> Rollout:
        return request_rollout(
            *PLACE, number, requested_by, None, MANY, deployments=self.deployments
        )

    def check(self, reference: RolloutReference) -> None:
        check_rollout(
            reference,
            deployments=self.deployments,
            versions=self.versions,
            artifacts=self.artifacts,
        )

    def apply(self, reference: RolloutReference) -> None:
        apply_revision(
            reference,
            deployments=self.deployments,
            versions=self.versions,
            cluster=self.cluster,
        )

    def observe(self, reference: RolloutReference) -> RevisionState:
        return check_revision(reference, deployments=self.deployments, cluster=self.cluster)

    def shift(self, reference: RolloutReference) -> None:
        shift_traffic(reference, deployments=self.deployments, cluster=self.cluster)

    def finish(self, reference: RolloutReference) -> None:
        finish_rollout(reference, GRACE, deployments=self.deployments)

    def fail(self, reference: RolloutReference, code: str = "Broken") -> None:
        reason = Reason(code=code, message="it broke", remedy="Mend it.")
        fail_rollout(reference, RolloutState.FAILED, reason, deployments=self.deployments)

    def retire(self) -> int | None:
        return retire_revisions(*PLACE, deployments=self.deployments, cluster=self.cluster)

    def report_dead(
        self,
        execution: str,
        status: str = "ABORTED",
        registered: RegisteredVersion | None = None,
    ) -> None:
        record_ended_execution(
            *PLACE, execution, status, registered, deployments=self.deployments, limits=self.limits
        )

    def roll_out(self, number: int) -> RolloutReference:
        """Register a version and carry its rollout out to the end."""
        reference = self.start(self.register(number))
        self.apply(reference)
        self.shift(reference)
        self.finish(reference)
        return reference

    @property
    def deployment(self) -> Deployment:
        return self.deployments.get(*PLACE)

    @property
    def last(self) -> EndedRollout:
        ended = self.deployment.last_rollout
        assert ended is not None
        return ended

    @property
    def weights(self) -> dict[str, int] | None:
        return self.cluster.routes.get(PLACE)

    def rollout(self, rollout_id: str) -> Rollout:
        return self.deployments.get_rollout(*PLACE, rollout_id)

    def serving_events(self) -> list[ServingEvent]:
        return [event for event in self.table.events if isinstance(event, ServingEvent)]

    def asking(self) -> list[DomainEvent]:
        """The events that ask for an execution."""
        return [event for event in self.table.events if getattr(event, "needs_execution", False)]

    def ended(self) -> list[RolloutEnded]:
        return [event for event in self.table.events if isinstance(event, RolloutEnded)]


class Execution:
    """One execution of `ModelRollout`, task by task, with its retries and its catches."""

    def __init__(self, world: World, registered: RegisteredVersion | None) -> None:
        self.world, self.registered = world, registered
        self.name = world.next_execution()
        self._reference = RolloutReference(*PLACE, "", self.name)
        self._next: Callable[[], None] | None = self._open
        self._error: HeadraceError = RolloutFailedError("Unknown", "", remedy="")

    @property
    def is_over(self) -> bool:
        return self._next is None

    def step(self) -> None:
        """Carry the next task out; what the state machine retries is tried again by the next step."""
        task = self._next
        if task is None:
            return
        try:
            task()
        except RolloutNotActiveError:
            # What ends a rollout may have done so before its answer was lost: the rest is still to do.
            ending = task in (self._finish, self._fail)
            self._next = self._retire if ending else None
        except RETRIED:
            self._next = task
        except ClusterRefusedError as refused:
            self._break_off_unless_retiring(refused)
        except HeadraceError as failed:
            self.break_off(failed)

    def repeat(self) -> None:
        """Carry the next task out, but lose its answer: the state machine will do it again."""
        before = self._next
        self.step()
        if self._next not in (self._fail, None):
            self._next = before

    def break_off(self, failed: HeadraceError) -> None:
        """The catch of the rollout's tasks; opening and retirement have none."""
        if self._next not in (self._open, self._retire, self._fail, None):
            self._error, self._next = failed, self._fail

    def _break_off_unless_retiring(self, refused: HeadraceError) -> None:
        if self._next != self._retire:
            self.break_off(refused)

    def _open(self) -> None:
        opened, self._reference = self.world.open(self.registered, self.name)
        following = {Action.ROLL_OUT: self._check, Action.RETIRE: self._retire}
        self._next = following.get(opened.action)

    def _check(self) -> None:
        self.world.check(self._reference)
        self._next = self._apply

    def _apply(self) -> None:
        self.world.apply(self._reference)
        self._next = self._observe

    def _observe(self) -> None:
        state = self.world.observe(self._reference)
        following = {RevisionState.READY: self._shift, RevisionState.MISSING: self._apply}
        self._next = following.get(state, self._observe)

    def _shift(self) -> None:
        self.world.shift(self._reference)
        self._next = self._finish

    def _finish(self) -> None:
        self.world.finish(self._reference)
        self._next = self._retire

    def _fail(self) -> None:
        timed_out = isinstance(self._error, RolloutTimedOutError)
        state = RolloutState.TIMED_OUT if timed_out else RolloutState.FAILED
        reason = Reason(code=type(self._error).__name__, message=str(self._error))
        fail_rollout(self._reference, state, reason, deployments=self.world.deployments)
        self._next = self._retire

    def _retire(self) -> None:
        if self.world.retire() is None:
            self._next = None
