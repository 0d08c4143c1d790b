"""What callers can do with deployments and rollouts."""

from datetime import datetime

from controlplane.errors import (
    ConflictError,
    IdempotencyKeyReusedError,
    InUseError,
    NotFoundError,
)
from controlplane.identifiers import new_sortable_id, now
from controlplane.requests import IdempotentRequest, require_version
from controlplane.serving.model import (
    Deployment,
    DeploymentDeletionRequested,
    Rollout,
    RolloutRequested,
    RolloutTicket,
    ServingState,
)
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.queue import enqueue, retire_all
from controlplane.serving.records import superseded_rollout, waiting_rollout


def request_rollout(
    tenant_id: str,
    project: str,
    name: str,
    model_version: int,
    requested_by: str,
    request: IdempotentRequest | None,
    limit: int,
    *,
    deployments: DeploymentRepository,
) -> Rollout:
    """Ask for a version to be rolled out, also one that was served before. It waits if another one runs.

    The rollout's identifier follows from the idempotency key, so that a repeat finds the first one. Raises
    NotFoundError for an unknown deployment or version, IdempotencyKeyReusedError, ConflictError for a deployment that
    is stopped, and QuotaExceededError where the deployment serves nothing yet and the tenant has `limit` others.
    """
    moment = now()
    rollout_id = f"r-{request.key_digest[:16]}" if request else new_sortable_id("r")
    deployment, known = deployments.find(tenant_id, project, name, rollout_id)
    if deployment is None:
        raise NotFoundError(f"there is no deployment {name}")
    if known is not None:
        return _repeated(known, model_version)
    _require_running(deployment)
    ticket = RolloutTicket(
        rollout_id=rollout_id,
        model_version=model_version,
        position=_position(deployment, moment),
        requested_by=requested_by,
        requested_at=moment,
    )
    queued, superseded = enqueue(deployment, ticket)
    event = RolloutRequested(
        tenant_id=tenant_id,
        project=project,
        deployment=name,
        rollout_id=ticket.rollout_id,
        model_version=model_version,
        superseded=superseded.rollout_id if superseded else None,
        needs_execution=True,
    )
    rollout = waiting_rollout(name, ticket)
    changed = [rollout]
    if superseded:
        changed.append(superseded_rollout(name, superseded, moment, queued))
    deployments.save(tenant_id, project, deployment, queued, changed, event, limit=limit)
    return rollout


def delete_deployment(
    tenant_id: str,
    project: str,
    name: str,
    deleted_by: str,
    if_match: int | None,
    *,
    deployments: DeploymentRepository,
) -> Deployment:
    """Stop serving and remove the deployment with all its revisions; its model's versions stay.

    Deleting twice is harmless. Raises NotFoundError, PreconditionFailedError, and InUseError while a rollout runs
    or waits.
    """
    deployment = deployments.get(tenant_id, project, name)
    require_version(if_match, deployment.version, f"deployment {name}")
    if deployment.deleting:
        return deployment
    if deployment.active or deployment.waiting:
        raise InUseError(
            f"a rollout of deployment {name} is not over",
            remedy="Delete it when the rollout has ended.",
        )
    leaving = retire_all(deployment, now())
    event = DeploymentDeletionRequested(
        tenant_id=tenant_id, project=project, deployment=name, deleted_by=deleted_by
    )
    deployments.save(tenant_id, project, deployment, leaving, [], event)
    return leaving


def _require_running(deployment: Deployment) -> None:
    if deployment.serving is not ServingState.RUNNING:
        raise ConflictError(
            f"deployment {deployment.name} is {deployment.serving.value}",
            remedy="Resume it first.",
        )


def _position(deployment: Deployment, moment: datetime) -> str:
    """After all that was accepted before, and before every upload that comes later, in the same second too."""
    position = f"{moment:%Y-%m-%dT%H:%M:%SZ}!{moment.microsecond:06d}"
    last = deployment.last_position
    return position if position > last else f"{last}~"


def _repeated(known: Rollout, model_version: int) -> Rollout:
    if known.model_version != model_version:
        raise IdempotencyKeyReusedError("this Idempotency-Key came with another body before")
    return known
