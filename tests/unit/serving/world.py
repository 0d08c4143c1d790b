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
from controlplane.registry.model import Model, ModelVersion, RegisteredFile, VersionSource
from controlplane.serving.advance import HAND_OVER, Tools, Turn, advance_rollout
from controlplane.serving.arrivals import RegisteredVersion
from controlplane.serving.closing import finish_rollout, write_evidence
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.commands import command_rollout, roll_back_deployment
from controlplane.serving.decision import Next
from controlplane.serving.deployment_events import RolloutEnded, ServingEvent
from controlplane.serving.ended_execution import record_ended_execution
from controlplane.serving.model import (
    Deployment,
    EndedRollout,
    Rollout,
    RolloutRequest,
    RolloutState,
)
from controlplane.serving.opening import Action, Opened, open_rollout
from controlplane.serving.preflight import check_rollout, frozen_plan, transition_of
from controlplane.serving.preparation import prepare_revision
from controlplane.serving.progress import Progress, Tick
from controlplane.serving.retirement import retire_revisions
from controlplane.serving.rollout import RolloutReference, fail_rollout, read_owned
from controlplane.serving.service import request_rollout
from controlplane.serving.settings import DeploymentSettings
from controlplane.serving.states import Command
from controlplane.serving.strategy import RolloutPolicy
from tests.fakes import (
    MemoryAliasDirectory,
    MemoryArtifacts,
    MemoryCluster,
    MemoryDeployments,
    MemoryLimits,
    MemoryServingPolicies,
    MemoryTable,
    MemoryVersionCatalog,
)
from tests.fakes.metrics import MemoryEvidence, MemoryMetrics, MemoryProber, MemoryWaits

TENANT, PROJECT, NAME = "acme", "vision", "digits"
PLACE = (TENANT, PROJECT, NAME)
TIMEOUT = timedelta(minutes=30)
GRACE = timedelta(minutes=5)
CONTENT = b"the weights"
MANY = 50
# How often the state machine repeats a task that was refused because something had changed.
ATTEMPTS = 8
RETRIED = (UnavailableError, ThrottledError, ConcurrentChangeError)


def revision(number: int) -> str:
    return f"{PROJECT}--{NAME}--v{number}"


@dataclass
class World:
    """One deployment of one tenant; `asked` are the events that ask for an execution."""

    table: MemoryTable = field(default_factory=MemoryTable)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    aliases: MemoryAliasDirectory = field(default_factory=MemoryAliasDirectory)
    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    metrics: MemoryMetrics = field(default_factory=MemoryMetrics)
    prober: MemoryProber = field(default_factory=MemoryProber)
    evidence: MemoryEvidence = field(default_factory=MemoryEvidence)
    waits: MemoryWaits = field(default_factory=MemoryWaits)
    executions: int = 0
    has_metrics: bool = True
    counts_copies: bool = True

    def __post_init__(self) -> None:
        project = Project(name=PROJECT, created_at=now(), created_by="ada")
        self.table.projects[TENANT, PROJECT] = project
        self.table.models[PLACE] = Model(name=NAME, created_at=now())
        self.limits = MemoryLimits(self.table)
        self.deployments = MemoryDeployments(self.table)
        self.policies = MemoryServingPolicies(self.table)
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
            files=(RegisteredFile(path="model.pkl", size=len(CONTENT), sha256=digest),),
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
            *PLACE,
            execution,
            TIMEOUT,
            registered,
            deployments=self.deployments,
            limits=self.limits,
            policies=self.policies,
        )
        return opened, RolloutReference(*PLACE, opened.rollout_id or "", execution)

    def start(self, registered: RegisteredVersion) -> RolloutReference:
        """The reference of a rollout that has started at once."""
        opened, reference = self.open(registered)
        assert opened.action is Action.ROLL_OUT
        return reference

    def request(
        self, number: int, requested_by: str = "ada", policy: RolloutPolicy | None = None
    ) -> Rollout:
        wanted = RolloutRequest(version=number, policy=policy)
        return request_rollout(
            *PLACE,
            wanted,
            requested_by,
            None,
            MANY,
            deployments=self.deployments,
            aliases=self.aliases,
        )

    def roll_back(self) -> Rollout:
        return roll_back_deployment(*PLACE, "ada", None, MANY, deployments=self.deployments)

    def command(self, rollout_id: str, command: Command, if_match: int | None = None) -> Rollout:
        return command_rollout(
            *PLACE, rollout_id, command, "ada", if_match, deployments=self.deployments
        )

    def set(self, policy: RolloutPolicy, **settings: object) -> None:
        """What the deployment's next rollouts go by."""
        wanted = DeploymentSettings.model_validate({"rollout": policy, **settings})
        found = self.table.deployments[PLACE]
        self.table.deployments[PLACE] = found.with_changes(settings=wanted)

    def check(self, reference: RolloutReference) -> None:
        check_rollout(
            reference,
            deployments=self.deployments,
            versions=self.versions,
            artifacts=self.artifacts,
            cluster=self.cluster,
            has_metrics=self.has_metrics,
            counts_copies=self.counts_copies,
        )

    def prepare(self, reference: RolloutReference) -> None:
        prepare_revision(
            reference,
            deployments=self.deployments,
            cluster=self.cluster,
            revisions=self.revisions,
        )

    def apply(self, reference: RolloutReference) -> None:
        self.check(reference)
        self.prepare(reference)

    def tick(self, reference: RolloutReference, turn: int = 1) -> Turn:
        tools = Tools(self.cluster, self.metrics, self.prober, GRACE)
        return advance_rollout(reference, turn, deployments=self.deployments, tools=tools)

    def shift(self, reference: RolloutReference) -> None:
        """What a tick does that dies before it has recorded it: all traffic is at the revision."""
        owned = read_owned(reference, self.deployments)
        transition = transition_of(owned, frozen_plan(owned))
        self.cluster.observe(transition)
        self.cluster.promote(transition)

    def finish(self, reference: RolloutReference) -> None:
        """Tick until the rollout has ended, and close it."""
        for _ in range(MANY):
            if self.tick(reference).next == Next.END:
                self.close(reference)
                return
        raise AssertionError("the rollout does not end")

    def close(self, reference: RolloutReference) -> None:
        finish_rollout(
            *PLACE,
            reference.rollout_id,
            deployments=self.deployments,
            cluster=self.cluster,
            revisions=self.revisions,
        )
        self.keep_evidence(reference)

    def keep_evidence(self, reference: RolloutReference) -> None:
        write_evidence(
            *PLACE, reference.rollout_id, deployments=self.deployments, evidence=self.evidence
        )

    def revisions(self, _: Mechanism) -> MemoryCluster:
        return self.cluster

    def fail(self, reference: RolloutReference, code: str = "Broken") -> None:
        reason = Reason(code=code, message="it broke", remedy="Mend it.")
        fail_rollout(reference, RolloutState.FAILED, reason, deployments=self.deployments)

    def retire(self) -> int | None:
        return retire_revisions(*PLACE, deployments=self.deployments, revisions=self.revisions)

    def report_dead(
        self,
        execution: str,
        status: str = "ABORTED",
        registered: RegisteredVersion | None = None,
    ) -> None:
        record_ended_execution(
            *PLACE,
            execution,
            status,
            registered,
            deployments=self.deployments,
            limits=self.limits,
            policies=self.policies,
        )

    def roll_out(self, number: int) -> RolloutReference:
        """Register a version and carry its rollout out to the end."""
        reference = self.start(self.register(number))
        self.apply(reference)
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
        """What the route gives, as it was written; a revision that gets nothing is left out."""
        route = self.cluster.routes.get(PLACE)
        return {name: share for name, share in route.weights.items() if share} if route else None

    def progress(self, rollout_id: str) -> Progress:
        progress = self.rollout(rollout_id).progress
        assert progress is not None
        return progress

    def ticks(self, rollout_id: str) -> list[Tick]:
        return [tick for at, tick in sorted(self.table.ticks.items()) if at[3] == rollout_id]

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
        self.turns = self.refused = 0

    @property
    def is_over(self) -> bool:
        return self._next is None

    def step(self) -> None:
        """Carry the next task out; what the state machine retries is tried again by the next step."""
        task = self._next
        if task is None:
            return
        refused, self.refused = self.refused, 0
        try:
            task()
        except RolloutNotActiveError:
            # What ends a rollout may have done so before its answer was lost: the rest is still to do.
            ending = task in (self._tick, self._fail)
            self._next = self._finish if ending else None
        except RETRIED as repeated:
            self._next = task
            self.refused = refused + 1 if isinstance(repeated, ConcurrentChangeError) else 0
            if self.refused > ATTEMPTS:
                self.break_off(repeated)
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
        if self._next == self._finish:
            self._next = self._retire
        elif self._next not in (self._open, self._retire, self._fail, None):
            self._error, self._next = failed, self._fail

    def _break_off_unless_retiring(self, refused: HeadraceError) -> None:
        if self._next != self._retire:
            self.break_off(refused)

    def _open(self) -> None:
        opened, self._reference = self.world.open(self.registered, self.name)
        following = {
            Action.ROLL_OUT: self._check,
            Action.CONTINUE: self._tick,
            Action.RETIRE: self._finish,
        }
        self._next = following.get(opened.action)

    def _check(self) -> None:
        self.world.check(self._reference)
        self._next = self._prepare

    def _prepare(self) -> None:
        self.world.prepare(self._reference)
        self._next = self._tick

    def _tick(self) -> None:
        self.turns += 1
        turn = self.world.tick(self._reference, self.turns)
        following: dict[str, Callable[[], None] | None] = {
            Next.TICK: self._tick,
            Next.PREPARE: self._prepare,
            HAND_OVER: None,
            Next.END: self._finish,
        }
        self._next = following[turn.next]

    def _fail(self) -> None:
        timed_out = isinstance(self._error, RolloutTimedOutError)
        state = RolloutState.TIMED_OUT if timed_out else RolloutState.FAILED
        reason = Reason(code=type(self._error).__name__, message=str(self._error))
        fail_rollout(self._reference, state, reason, deployments=self.world.deployments)
        self._next = self._finish

    def _finish(self) -> None:
        self.world.close(self._reference)
        self._next = self._retire

    def _retire(self) -> None:
        if self.world.retire() is None:
            self._next = None
