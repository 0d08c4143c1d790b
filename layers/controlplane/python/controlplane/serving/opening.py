"""The first step of the state machine `ModelRollout`: what an event asks for, and what there is to do."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from controlplane.errors import NotFoundError, QuotaExceededError
from controlplane.identifiers import now
from controlplane.reasons import Reason
from controlplane.serving.arrivals import (
    RegisteredVersion,
    deployment_for,
    rules_for,
    serves_another_model,
    ticket_of,
)
from controlplane.serving.deployment_events import (
    RolloutEnded,
    RolloutRequested,
    RolloutStarted,
    ServingEvent,
)
from controlplane.serving.model import (
    ActiveRollout,
    Deployment,
    Rollout,
    RolloutState,
    RolloutTicket,
)
from controlplane.serving.ports import (
    DeploymentRepository,
    LimitDirectory,
    ServingPolicyRepository,
)
from controlplane.serving.queue import enqueue, refuse_first, start_next, take_over
from controlplane.serving.records import (
    end_without_beginning,
    refused_rollout,
    running_rollout,
    superseded_ending,
    superseded_rollout,
    waiting_rollout,
)
from controlplane.serving.rollout_events import RolloutContinued
from controlplane.serving.states import Phase


class Action(StrEnum):
    """What an execution goes on with."""

    ROLL_OUT = "RollOut"
    CONTINUE = "Continue"
    RETIRE = "Retire"
    NOTHING = "Nothing"


@dataclass(frozen=True)
class Opened:
    """What to do; `rollout_id` names the rollout that this execution now carries out."""

    action: Action
    rollout_id: str | None = None


def open_rollout(
    tenant_id: str,
    project: str,
    name: str,
    execution: str,
    timeout: timedelta,
    registered: RegisteredVersion | None,
    *,
    deployments: DeploymentRepository,
    limits: LimitDirectory,
    policies: ServingPolicyRepository,
) -> Opened:
    """Queue the rollout of a registered version, if the event is of one, and start the next rollout if it can.

    A model's first version makes the deployment, unless the project's policy says otherwise; where the tenant may
    have no more of them, the rollout ends as Failed. A repeat of the same event changes nothing. Raises
    ConcurrentChangeError: call it again.
    """
    ticket = ticket_of(tenant_id, project, registered) if registered else None
    before, known = deployments.find(
        tenant_id, project, name, ticket.rollout_id if ticket else None
    )
    if before is not None and before.active and before.active.execution == execution:
        began = before.active.phase is not Phase.PREPARING
        return Opened(Action.CONTINUE if began else Action.ROLL_OUT, before.active.rollout_id)
    rules = rules_for(
        tenant_id, project, name, registered, known, deployments=deployments, policies=policies
    )
    if rules is None or serves_another_model(before, registered):
        return Opened(Action.NOTHING)
    if ticket is None and before is not None and before.active and not before.active.execution:
        return _carry_on(tenant_id, project, before, before.active, execution, deployments)
    deployment = before or (deployment_for(registered, rules) if registered else None)
    if deployment is None:
        return Opened(Action.NOTHING)
    superseded: RolloutTicket | None = None
    queued = deployment
    if ticket is not None and known is None:
        queued, superseded = enqueue(deployment, ticket)
    moment = now()
    after = start_next(queued, execution, moment, timeout)
    if after is deployment and superseded is None:
        # Also where nothing retires any more: an execution that died has left undone what comes after an end.
        left = deployment.retiring or deployment.deleting or deployment.active is None
        return Opened(Action.RETIRE if left and not ticket else Action.NOTHING)
    changed = _changed_rollouts(name, deployment, after, superseded, moment)
    event = _event(tenant_id, project, after, ticket, superseded, started=after is not queued)
    endings = _endings(tenant_id, project, after, superseded, event)
    try:
        _save(tenant_id, project, before, after, changed, event, endings, deployments, limits)
    except NotFoundError:
        return Opened(Action.NOTHING)  # the version was deleted before its event came
    except QuotaExceededError as exceeded:
        _refuse(tenant_id, project, before, deployment, ticket, exceeded, deployments)
        return Opened(Action.NOTHING)
    if after is queued or after.active is None:
        return Opened(Action.NOTHING)
    return Opened(Action.ROLL_OUT, after.active.rollout_id)


def _carry_on(
    tenant_id: str,
    project: str,
    deployment: Deployment,
    active: ActiveRollout,
    execution: str,
    deployments: DeploymentRepository,
) -> Opened:
    """A rollout that its execution has handed over."""
    event = RolloutContinued(
        tenant_id=tenant_id,
        project=project,
        deployment=deployment.name,
        rollout_id=active.rollout_id,
        model_version=active.model_version,
    )
    after = take_over(deployment, execution)
    deployments.save(tenant_id, project, deployment, after, [], event)
    return Opened(Action.CONTINUE, active.rollout_id)


def queue_again(
    tenant_id: str,
    project: str,
    registered: RegisteredVersion,
    *,
    deployments: DeploymentRepository,
    limits: LimitDirectory,
    policies: ServingPolicyRepository,
) -> None:
    """Queue the rollout of a registered version whose execution died before it was queued, for a later execution."""
    name, ticket = registered.model, ticket_of(tenant_id, project, registered)
    before, known = deployments.find(tenant_id, project, name, ticket.rollout_id)
    rules = rules_for(
        tenant_id, project, name, registered, known, deployments=deployments, policies=policies
    )
    if known is not None or rules is None or serves_another_model(before, registered):
        return
    deployment = before or deployment_for(registered, rules)
    after, superseded = enqueue(deployment, ticket)
    changed = _changed_rollouts(name, deployment, after, superseded, now())
    event = _event(tenant_id, project, after, ticket, superseded, started=False, again=True)
    endings = _endings(tenant_id, project, after, superseded, event)
    try:
        with suppress(NotFoundError):  # the version is deleted: there is nothing to roll out
            _save(tenant_id, project, before, after, changed, event, endings, deployments, limits)
    except QuotaExceededError as exceeded:
        _refuse(tenant_id, project, before, deployment, ticket, exceeded, deployments)


def _save(
    tenant_id: str,
    project: str,
    before: Deployment | None,
    after: Deployment,
    changed: list[Rollout],
    event: ServingEvent,
    endings: list[RolloutEnded],
    deployments: DeploymentRepository,
    limits: LimitDirectory,
) -> None:
    counts_already = before is not None and before.held_versions
    limit = None if counts_already else limits.max_deployments(tenant_id)
    place = (tenant_id, project)
    deployments.save(*place, before, after, changed, event, limit=limit, endings=endings)


def _refuse(
    tenant_id: str,
    project: str,
    before: Deployment | None,
    deployment: Deployment,
    ticket: RolloutTicket | None,
    exceeded: QuotaExceededError,
    deployments: DeploymentRepository,
) -> None:
    """Record a rollout for which the tenant has no room, in a deployment that serves nothing."""
    if ticket is None:
        raise exceeded
    moment = now()
    reason = Reason(code="QuotaExceeded", message=str(exceeded), remedy=exceeded.remedy)
    refused = refuse_first(deployment, ticket, reason, moment)
    event = end_without_beginning(
        tenant_id, project, deployment, ticket, RolloutState.FAILED, reason.code
    )
    record = refused_rollout(deployment.name, ticket, moment, reason)
    deployments.save(tenant_id, project, before, refused, [record], event)


def _changed_rollouts(
    name: str,
    before: Deployment,
    after: Deployment,
    superseded: RolloutTicket | None,
    moment: datetime,
) -> list[Rollout]:
    changed = []
    if superseded is not None:
        changed.append(superseded_rollout(name, superseded, moment, after))
    if after.waiting is not None and after.waiting is not before.waiting:
        changed.append(waiting_rollout(name, after.waiting))
    if after.active is not None and after.active is not before.active:
        changed.append(running_rollout(name, after.active))
    return changed


def _endings(
    tenant_id: str,
    project: str,
    after: Deployment,
    superseded: RolloutTicket | None,
    event: ServingEvent,
) -> list[RolloutEnded]:
    """The end of a superseded rollout, unless the deployment's own event tells of it."""
    if superseded is None or isinstance(event, RolloutEnded):
        return []
    return [superseded_ending(tenant_id, project, after, superseded)]


def _event(
    tenant_id: str,
    project: str,
    after: Deployment,
    ticket: RolloutTicket | None,
    superseded: RolloutTicket | None,
    *,
    started: bool,
    again: bool = False,
) -> ServingEvent:
    place = {"tenant_id": tenant_id, "project": project, "deployment": after.name}
    superseded_id = superseded.rollout_id if superseded else None
    if started and after.active is not None:
        return RolloutStarted(
            **place,
            rollout_id=after.active.rollout_id,
            model_version=after.active.model_version,
            superseded=superseded_id,
        )
    if ticket is None:
        raise TypeError("nothing was queued and nothing was started: there is nothing to announce")
    if superseded is ticket:
        return superseded_ending(tenant_id, project, after, ticket)
    return RolloutRequested(
        **place,
        rollout_id=ticket.rollout_id,
        model_version=ticket.model_version,
        superseded=superseded_id,
        needs_execution=again,
        after_failure=again,
    )
