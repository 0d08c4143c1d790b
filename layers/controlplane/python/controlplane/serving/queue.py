"""Which rollout of a deployment is next. Pure rules: one runs, the newest waits, those between are Superseded."""

from datetime import datetime, timedelta

from controlplane.reasons import Reason
from controlplane.serving.model import (
    ActiveRollout,
    Deployment,
    EndedRollout,
    RetiringRevision,
    Revision,
    RolloutState,
    RolloutTicket,
    ServingState,
)
from controlplane.serving.states import RolloutKind


def enqueue(
    deployment: Deployment, ticket: RolloutTicket
) -> tuple[Deployment, RolloutTicket | None]:
    """Let a rollout wait for its turn.

    Returns the deployment and the rollout that is Superseded by this: the one that waited before, the new one
    itself if a newer one was accepted already, or none.
    """
    if ticket.position <= deployment.last_position:
        return deployment, ticket
    changes = {"waiting": ticket, "last_position": ticket.position}
    return deployment.with_changes(**changes), deployment.waiting


def start_next(
    deployment: Deployment, execution: str, moment: datetime, timeout: timedelta
) -> Deployment:
    """Start the waiting rollout if none runs; otherwise the deployment is returned as it is.

    `timeout` is how long its revision may take to be ready; the whole has the time that its policy says.
    """
    ticket = deployment.waiting
    if deployment.active is not None or ticket is None:
        return deployment
    policy = ticket.policy or deployment.settings.rollout
    active = ActiveRollout(
        **dict(ticket),
        execution=execution,
        started_at=moment,
        ready_by=moment + timeout,
        deadline=moment + timedelta(seconds=policy.max_seconds),
        kept=_kept(deployment, ticket),
    )
    staying = tuple(r for r in deployment.retiring if r.model_version != ticket.model_version)
    return deployment.with_changes(active=active, waiting=None, retiring=staying, deleting=False)


def refuse_first(
    deployment: Deployment, ticket: RolloutTicket, reason: Reason, moment: datetime
) -> Deployment:
    """A deployment that serves nothing yet, and whose rollout cannot start."""
    ended = EndedRollout(
        rollout_id=ticket.rollout_id,
        model_version=ticket.model_version,
        state=RolloutState.FAILED,
        ended_at=moment,
        reason=reason,
    )
    return deployment.with_changes(last_rollout=ended, last_position=ticket.position)


def take_over(deployment: Deployment, execution: str) -> Deployment:
    """Another execution carries the active rollout on."""
    active = _active(deployment).model_copy(update={"execution": execution})
    return deployment.with_changes(active=active)


def promote(
    deployment: Deployment,
    revision: Revision,
    retire_at: datetime,
    moment: datetime,
    *,
    keep: bool = True,
) -> Deployment:
    """The active rollout's revision takes all traffic; the one before retires after its grace time.

    `keep`: until then it is the previous one, warm for a rollback; that which was so far is kept no longer.
    """
    active = _active(deployment)
    ended = _ended(active, RolloutState.PROMOTED, moment, None)
    retiring = deployment.retiring
    before = deployment.stable
    if before is not None and before.model_version != revision.model_version:
        leaving = _retiring(before, retire_at).model_copy(update={"previous": keep})
        retiring = (*(_released(other, moment) for other in retiring), leaving)
    return deployment.with_changes(
        stable=revision, active=None, retiring=retiring, last_rollout=ended
    )


def give_up(
    deployment: Deployment,
    revision: Revision,
    state: RolloutState,
    reason: Reason,
    retire_at: datetime,
    moment: datetime,
) -> Deployment:
    """The active rollout ends without success: its revision goes, the stable one stays.

    One that was kept for a rollback, and to which there was none after all, is kept for as long as it was to be.
    """
    active = _active(deployment)
    retiring = deployment.retiring
    if deployment.stable is None or deployment.stable.model_version != active.model_version:
        given_back = _given_back(active.kept, retire_at)
        retiring = (*retiring, given_back or _retiring(revision, retire_at))
    ended = _ended(active, state, moment, reason)
    return deployment.with_changes(active=None, retiring=retiring, last_rollout=ended)


def withdraw(
    deployment: Deployment, reason: Reason, moment: datetime
) -> tuple[Deployment, RolloutTicket]:
    """The rollout that waits is not wanted any more."""
    ticket = deployment.waiting
    if ticket is None:
        raise ValueError(f"deployment {deployment.name} has no rollout that waits")
    ended = _ended(ticket, RolloutState.ABORTED, moment, reason)
    last = deployment.last_rollout if deployment.active else ended
    return deployment.with_changes(waiting=None, last_rollout=last), ticket


def retire_all(deployment: Deployment, moment: datetime) -> Deployment:
    """The deployment on its way out: every revision goes at once. A version that comes now takes it up again.

    Nothing of it is stopped any more, so that such a version is not refused for what was wanted of those before it.
    """
    retiring = deployment.retiring
    if deployment.stable is not None:
        retiring = (*retiring, _retiring(deployment.stable, moment))
    gone = {"retire_at": moment, "previous": False}
    due = tuple(revision.model_copy(update=gone) for revision in retiring)
    running = ServingState.RUNNING
    return deployment.with_changes(stable=None, retiring=due, deleting=True, serving=running)


def retired(deployment: Deployment, model_version: int) -> Deployment:
    """The deployment without a revision that has gone."""
    staying = tuple(r for r in deployment.retiring if r.model_version != model_version)
    return deployment.with_changes(retiring=staying)


def _kept(deployment: Deployment, ticket: RolloutTicket) -> RetiringRevision | None:
    """The revision that a rollback goes back to, if it still runs for that."""
    previous, stable = deployment.previous, deployment.stable
    if ticket.kind is not RolloutKind.ROLLBACK or previous is None or stable is None:
        return None
    found = previous.model_version == ticket.model_version
    return previous if found and previous.mechanism is stable.mechanism else None


def _active(deployment: Deployment) -> ActiveRollout:
    if deployment.active is None:
        raise ValueError(f"deployment {deployment.name} has no rollout to end")
    return deployment.active


def _retiring(revision: Revision, retire_at: datetime) -> RetiringRevision:
    return RetiringRevision(
        model_version=revision.model_version,
        name=revision.name,
        retire_at=retire_at,
        mechanism=revision.mechanism,
        settings=revision.settings,
        gpus=revision.gpus,
    )


def _given_back(kept: RetiringRevision | None, least: datetime) -> RetiringRevision | None:
    if kept is None:
        return None
    return kept.model_copy(update={"retire_at": max(kept.retire_at, least)})


def _released(revision: RetiringRevision, moment: datetime) -> RetiringRevision:
    """A revision that is not the previous one any more has nothing to wait for."""
    if not revision.previous:
        return revision
    return revision.model_copy(update={"previous": False, "retire_at": moment})


def _ended(
    ticket: RolloutTicket, state: RolloutState, moment: datetime, reason: Reason | None
) -> EndedRollout:
    return EndedRollout(
        rollout_id=ticket.rollout_id,
        model_version=ticket.model_version,
        state=state,
        ended_at=moment,
        reason=reason,
    )
