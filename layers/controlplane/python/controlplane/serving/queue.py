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
)


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
    """Start the waiting rollout if none runs; otherwise the deployment is returned as it is."""
    ticket = deployment.waiting
    if deployment.active is not None or ticket is None:
        return deployment
    active = ActiveRollout(
        **ticket.model_dump(),
        execution=execution,
        started_at=moment,
        deadline=moment + timeout,
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


def promote(
    deployment: Deployment, revision: Revision, retire_at: datetime, moment: datetime
) -> Deployment:
    """The active rollout's revision takes all traffic; the one before retires after its grace time."""
    active = _active(deployment)
    ended = _ended(active, RolloutState.PROMOTED, moment, None)
    retiring = deployment.retiring
    previous = deployment.stable
    if previous is not None and previous.model_version != revision.model_version:
        retiring = (*retiring, _retiring(previous.model_version, previous.name, retire_at))
    return deployment.with_changes(
        stable=revision, active=None, retiring=retiring, last_rollout=ended
    )


def give_up(
    deployment: Deployment,
    revision_name: str,
    state: RolloutState,
    reason: Reason,
    moment: datetime,
) -> Deployment:
    """The active rollout ends without success: its revision goes at once, the stable one stays."""
    active = _active(deployment)
    retiring = deployment.retiring
    if deployment.stable is None or deployment.stable.model_version != active.model_version:
        retiring = (*retiring, _retiring(active.model_version, revision_name, moment))
    ended = _ended(active, state, moment, reason)
    return deployment.with_changes(active=None, retiring=retiring, last_rollout=ended)


def retire_all(deployment: Deployment, moment: datetime) -> Deployment:
    """The deployment on its way out: every revision goes at once. A version that comes now takes it up again."""
    retiring = deployment.retiring
    if deployment.stable is not None:
        stable = deployment.stable
        retiring = (*retiring, _retiring(stable.model_version, stable.name, moment))
    due = tuple(revision.model_copy(update={"retire_at": moment}) for revision in retiring)
    return deployment.with_changes(stable=None, retiring=due, deleting=True)


def retired(deployment: Deployment, model_version: int) -> Deployment:
    """The deployment without a revision that has gone."""
    staying = tuple(r for r in deployment.retiring if r.model_version != model_version)
    return deployment.with_changes(retiring=staying)


def _active(deployment: Deployment) -> ActiveRollout:
    if deployment.active is None:
        raise ValueError(f"deployment {deployment.name} has no rollout to end")
    return deployment.active


def _retiring(model_version: int, name: str, retire_at: datetime) -> RetiringRevision:
    return RetiringRevision(model_version=model_version, name=name, retire_at=retire_at)


def _ended(
    active: ActiveRollout, state: RolloutState, moment: datetime, reason: Reason | None
) -> EndedRollout:
    return EndedRollout(
        rollout_id=active.rollout_id,
        model_version=active.model_version,
        state=state,
        ended_at=moment,
        reason=reason,
    )
