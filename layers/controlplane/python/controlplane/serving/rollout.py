"""Which rollout a task works on, and how one ends: as its revision's promotion, or without it.

A task works only while the deployment's item says that its execution carries the rollout out (otherwise it raises
RolloutNotActiveError), and every task may be repeated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from controlplane.errors import ClusterRefusedError, RolloutFailedError, RolloutNotActiveError
from controlplane.identifiers import now, revision_name
from controlplane.reasons import Reason
from controlplane.serving.deployment_events import RolloutEnded
from controlplane.serving.model import ActiveRollout, Deployment, Revision, Rollout, RolloutState
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.progress import Progress, Tick
from controlplane.serving.queue import give_up, promote
from controlplane.serving.states import ONE_OBJECT, Mechanism, RolloutKind


@dataclass(frozen=True)
class RolloutReference:
    """Which rollout of which deployment, and the state machine execution that carries it out."""

    tenant_id: str
    project: str
    deployment: str
    rollout_id: str
    execution: str

    @property
    def place(self) -> tuple[str, str, str]:
        return self.tenant_id, self.project, self.deployment


@dataclass(frozen=True)
class Owned:
    """What a task works on, as it was read."""

    reference: RolloutReference
    deployment: Deployment
    active: ActiveRollout
    rollout: Rollout

    @property
    def progress(self) -> Progress:
        return self.rollout.progress or Progress()

    @property
    def has_stable(self) -> bool:
        """Whether there is a revision to go back to: not in a first rollout, nor in one to the version that serves."""
        stable = self.deployment.stable
        return stable is not None and stable.model_version != self.active.model_version


@dataclass(frozen=True)
class Ending:
    """How a rollout ends. `seconds` a rollback took; `unattended`: nothing carries on with what is left to do."""

    state: RolloutState
    reason: Reason | None
    seconds: float | None = None
    unattended: bool = False
    grace: timedelta = timedelta()


def read_owned(reference: RolloutReference, deployments: DeploymentRepository) -> Owned:
    """One read. Raises RolloutNotActiveError."""
    deployment, rollout = deployments.find(*reference.place, reference.rollout_id)
    active = deployment.active if deployment else None
    mine = active is not None and active.execution == reference.execution
    if deployment is None or active is None or rollout is None or not mine:
        raise RolloutNotActiveError(
            f"rollout {reference.rollout_id} is not carried out by this execution"
        )
    if active.rollout_id != reference.rollout_id:
        raise RolloutNotActiveError(f"rollout {reference.rollout_id} has ended")
    return Owned(reference, deployment, active, rollout)


@contextmanager
def refusals_explained() -> Iterator[None]:
    """What the cluster refuses ends the rollout with what can be done about it. Raises RolloutFailedError."""
    try:
        yield
    except ClusterRefusedError as refused:
        raise RolloutFailedError(
            "ClusterRefused",
            str(refused),
            remedy=refused.remedy or "Mend what the cluster says, then ask for a rollout again.",
        ) from refused


def end_rollout(
    owned: Owned,
    ending: Ending,
    progress: Progress,
    ticks: tuple[Tick, ...],
    *,
    deployments: DeploymentRepository,
) -> None:
    """Record how the rollout ended, in its own record, in the deployment and in an event, by one write."""
    reference, active, moment = owned.reference, owned.active, now()
    after = _after(owned, ending, progress, moment)
    if owned.rollout.plan is not None:
        after = after.with_changes(carried_out=active.rollout_id)
    record = owned.rollout.model_copy(
        update={
            "state": ending.state,
            "ended_at": moment,
            "reason": ending.reason,
            "progress": progress,
            "rolled_back_seconds": ending.seconds,
        }
    )
    event = RolloutEnded(
        tenant_id=reference.tenant_id,
        project=reference.project,
        deployment=reference.deployment,
        rollout_id=active.rollout_id,
        model_version=active.model_version,
        model=after.model,
        state=ending.state,
        reason=ending.reason.code if ending.reason else None,
        needs_execution=ending.unattended or after.waiting is not None,
        stable_version=after.stable.model_version if after.stable else None,
        rolled_back_seconds=ending.seconds,
        evidence=evidence_key(reference),
    )
    place = (reference.tenant_id, reference.project)
    deployments.save(*place, owned.deployment, after, [record], event, ticks=ticks)


def fail_rollout(
    reference: RolloutReference,
    state: RolloutState,
    reason: Reason,
    *,
    deployments: DeploymentRepository,
    unattended: bool = False,
) -> None:
    """Record that the rollout ended because a task could not go on. What the canary still gets, retirement takes."""
    owned = read_owned(reference, deployments)
    ending = Ending(state, reason, unattended=unattended)
    end_rollout(owned, ending, owned.progress, (), deployments=deployments)


def evidence_key(reference: RolloutReference) -> str:
    """Where the rollout's evidence lies in the bucket, whether it is written yet or not."""
    folder = f"evidence/tenant-{reference.tenant_id}/{reference.project}/{reference.deployment}"
    return f"{folder}/{reference.rollout_id}.json"


def _after(owned: Owned, ending: Ending, progress: Progress, moment: datetime) -> Deployment:
    revision = _revision(owned, moment)
    plan = owned.rollout.plan
    wait = timedelta(seconds=plan.policy.termination_wait_seconds if plan else 0)
    if ending.state is not RolloutState.PROMOTED:
        reason = ending.reason or Reason(code=ending.state, message="it ended")
        leaves = moment + wait if progress.served else moment
        return give_up(owned.deployment, revision, ending.state, reason, leaves, moment)
    one_object = revision.mechanism in ONE_OBJECT
    keeps = owned.active.kind is RolloutKind.ROLLOUT and not one_object
    kept = plan.policy.keep_previous_seconds if plan else None
    grace = ending.grace if kept is None else timedelta(seconds=kept)
    leaves = moment + (max(grace, wait) if keeps else wait)
    return promote(owned.deployment, revision, leaves, moment, keep=keeps and bool(grace))


def _revision(owned: Owned, moment: datetime) -> Revision:
    plan, reference = owned.rollout.plan, owned.reference
    number = owned.active.model_version
    settings = plan.canary.settings if plan else owned.deployment.settings
    return Revision(
        model_version=number,
        name=revision_name(reference.project, reference.deployment, number),
        since=moment,
        mechanism=plan.mechanism if plan else Mechanism.ROUTE,
        settings=settings,
        gpus=settings.gpus_for(plan.canary.version.format) if plan else 0,
    )
