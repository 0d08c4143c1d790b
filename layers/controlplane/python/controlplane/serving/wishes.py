"""A rollout that a caller asks for takes its place in the deployment's queue."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controlplane.errors import ConflictError, IdempotencyKeyReusedError, NotFoundError
from controlplane.identifiers import new_sortable_id, now
from controlplane.requests import IdempotentRequest
from controlplane.serving.deployment_events import RolloutRequested
from controlplane.serving.model import Deployment, Rollout, RolloutTicket, ServingState
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.queue import enqueue
from controlplane.serving.records import superseded_ending, superseded_rollout, waiting_rollout
from controlplane.serving.states import RolloutKind
from controlplane.serving.strategy import RolloutPolicy


@dataclass(frozen=True)
class RolloutWish:
    """Who asks, for which version of the deployment that is found, and how it is to go.

    `choose` raises ConflictError where the deployment has nothing of the kind. It is not asked about a repeat.
    """

    requested_by: str
    choose: Callable[[Deployment], int]
    kind: RolloutKind = RolloutKind.ROLLOUT
    policy: RolloutPolicy | None = None
    version: int | None = None


def queue_rollout(
    tenant_id: str,
    project: str,
    name: str,
    wish: RolloutWish,
    request: IdempotentRequest | None,
    limit: int,
    *,
    deployments: DeploymentRepository,
) -> Rollout:
    """The rollout, waiting for its turn; a repeat of the same request finds the first one.

    Its identifier follows from the idempotency key. Raises NotFoundError for an unknown deployment or version,
    IdempotencyKeyReusedError, ConflictError for a deployment that is stopped, and QuotaExceededError where the
    deployment serves nothing yet and the tenant has `limit` others.
    """
    moment = now()
    rollout_id = f"r-{request.key_digest[:16]}" if request else new_sortable_id("r")
    deployment, known = deployments.find(tenant_id, project, name, rollout_id)
    if deployment is None:
        raise NotFoundError(f"there is no deployment {name}")
    if known is not None:
        return _repeated(known, wish)
    _require_running(deployment)
    ticket = RolloutTicket(
        rollout_id=rollout_id,
        model_version=wish.choose(deployment),
        position=_position(deployment, moment),
        requested_by=wish.requested_by,
        requested_at=moment,
        kind=wish.kind,
        policy=wish.policy,
    )
    queued, superseded = enqueue(deployment, ticket)
    event = RolloutRequested(
        tenant_id=tenant_id,
        project=project,
        deployment=name,
        rollout_id=ticket.rollout_id,
        model_version=ticket.model_version,
        superseded=superseded.rollout_id if superseded else None,
        needs_execution=True,
    )
    rollout = waiting_rollout(name, ticket)
    changed, endings = [rollout], []
    if superseded:
        changed.append(superseded_rollout(name, superseded, moment, queued))
        endings.append(superseded_ending(tenant_id, project, queued, superseded))
    deployments.save(
        tenant_id, project, deployment, queued, changed, event, limit=limit, endings=endings
    )
    return rollout


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


def _repeated(known: Rollout, wish: RolloutWish) -> Rollout:
    same = known.kind is wish.kind and known.policy == wish.policy
    if not same or wish.version not in (known.model_version, None):
        raise IdempotencyKeyReusedError("this Idempotency-Key came with another body before")
    return known
