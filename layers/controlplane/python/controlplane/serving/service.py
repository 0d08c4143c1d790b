"""What callers can do with deployments and rollouts."""

from controlplane.errors import ConflictError, IdempotencyKeyReusedError, NotFoundError
from controlplane.identifiers import now
from controlplane.requests import IdempotentRequest, digest
from controlplane.serving.model import Rollout, RolloutRequested, RolloutTicket
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.queue import enqueue
from controlplane.serving.records import superseded_rollout, waiting_rollout


def request_rollout(
    tenant_id: str,
    project: str,
    name: str,
    model_version: int,
    requested_by: str,
    request: IdempotentRequest | None,
    *,
    deployments: DeploymentRepository,
) -> Rollout:
    """Ask for a version to be rolled out, also one that was served before. It waits if another one runs.

    The rollout's identifier follows from the idempotency key, so that a repeat finds the first one. Raises
    NotFoundError for an unknown deployment or version, IdempotencyKeyReusedError.
    """
    moment = now()
    identity = request.key_digest if request else digest(tenant_id, name, moment.isoformat())
    ticket = RolloutTicket(
        rollout_id=f"r-{identity[:16]}",
        model_version=model_version,
        position=f"{moment:%Y-%m-%dT%H:%M:%SZ}~{moment.microsecond:06d}",
        requested_by=requested_by,
        requested_at=moment,
    )
    deployment, known = deployments.find(tenant_id, project, name, ticket.rollout_id)
    if deployment is None:
        raise NotFoundError(f"there is no deployment {name}")
    if known is not None:
        return _repeated(known, model_version)
    queued, superseded = enqueue(deployment, ticket)
    if superseded == ticket:
        raise ConflictError("a newer rollout was accepted in this moment", remedy="Ask again.")
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
    deployments.save(tenant_id, project, deployment, queued, changed, event)
    return rollout


def _repeated(known: Rollout, model_version: int) -> Rollout:
    if known.model_version != model_version:
        raise IdempotencyKeyReusedError("this Idempotency-Key came with another body before")
    return known
