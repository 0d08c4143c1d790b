"""The record of a rollout in each of its states, made from the deployment's own entries."""

from datetime import datetime

from controlplane.reasons import Reason
from controlplane.serving.deployment_events import RolloutEnded
from controlplane.serving.model import (
    ActiveRollout,
    Deployment,
    Rollout,
    RolloutState,
    RolloutTicket,
)


def waiting_rollout(deployment: str, ticket: RolloutTicket) -> Rollout:
    return _rollout(deployment, ticket, RolloutState.WAITING)


def running_rollout(deployment: str, active: ActiveRollout) -> Rollout:
    running = _rollout(deployment, active, RolloutState.RUNNING)
    return running.model_copy(update={"started_at": active.started_at})


def withdrawn_rollout(
    deployment: str, ticket: RolloutTicket, moment: datetime, reason: Reason
) -> Rollout:
    ended = {"ended_at": moment, "reason": reason}
    return _rollout(deployment, ticket, RolloutState.ABORTED).model_copy(update=ended)


def refused_rollout(
    deployment: str, ticket: RolloutTicket, moment: datetime, reason: Reason
) -> Rollout:
    ended = {"ended_at": moment, "reason": reason}
    return _rollout(deployment, ticket, RolloutState.FAILED).model_copy(update=ended)


def superseded_rollout(
    deployment: str, ticket: RolloutTicket, moment: datetime, newer: Deployment
) -> Rollout:
    reason = Reason(
        code="Superseded",
        message=f"a newer rollout was asked for before this one could start ({_newest(newer)})",
        remedy="Ask for a rollout of this version if it is wanted after all.",
    )
    ended = {"ended_at": moment, "reason": reason}
    return _rollout(deployment, ticket, RolloutState.SUPERSEDED).model_copy(update=ended)


def superseded_ending(
    tenant_id: str, project: str, deployment: Deployment, ticket: RolloutTicket
) -> RolloutEnded:
    """For its own record: the deployment's event tells of the newer one."""
    state = RolloutState.SUPERSEDED
    return end_without_beginning(tenant_id, project, deployment, ticket, state, state)


def end_without_beginning(
    tenant_id: str,
    project: str,
    deployment: Deployment,
    ticket: RolloutTicket,
    state: RolloutState,
    reason: str,
) -> RolloutEnded:
    """The end of a rollout that never began: nothing is left to do. `reason` is the stable word."""
    return RolloutEnded(
        tenant_id=tenant_id,
        project=project,
        deployment=deployment.name,
        rollout_id=ticket.rollout_id,
        model_version=ticket.model_version,
        model=deployment.model,
        state=state,
        reason=reason,
        needs_execution=False,
    )


def _newest(deployment: Deployment) -> str:
    newest = deployment.waiting or deployment.active
    return f"version {newest.model_version}" if newest else "it has ended since"


def _rollout(deployment: str, ticket: RolloutTicket, state: RolloutState) -> Rollout:
    return Rollout(
        rollout_id=ticket.rollout_id,
        deployment=deployment,
        model_version=ticket.model_version,
        state=state,
        requested_by=ticket.requested_by,
        requested_at=ticket.requested_at,
        kind=ticket.kind,
        policy=ticket.policy,
    )
