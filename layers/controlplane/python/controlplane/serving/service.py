"""What callers can do with deployments and rollouts."""

from controlplane.errors import InUseError
from controlplane.identifiers import now
from controlplane.requests import IdempotentRequest, require_version
from controlplane.serving.deployment_events import DeploymentDeletionRequested
from controlplane.serving.model import Deployment, Rollout, RolloutRequest
from controlplane.serving.ports import AliasDirectory, DeploymentRepository
from controlplane.serving.queue import retire_all
from controlplane.serving.wishes import RolloutWish, queue_rollout


def request_rollout(
    tenant_id: str,
    project: str,
    name: str,
    wanted: RolloutRequest,
    requested_by: str,
    request: IdempotentRequest | None,
    limit: int,
    *,
    deployments: DeploymentRepository,
    aliases: AliasDirectory,
) -> Rollout:
    """Ask for a version to be rolled out, also one that was served before. It waits if another one runs.

    Raises what `queue_rollout` does, and NotFoundError for an alias that names nothing.
    """

    def choose(deployment: Deployment) -> int:
        return version_wanted(tenant_id, project, deployment.model, wanted, aliases)

    wish = RolloutWish(requested_by, choose, policy=wanted.policy, version=wanted.version)
    return queue_rollout(tenant_id, project, name, wish, request, limit, deployments=deployments)


def version_wanted(
    tenant_id: str, project: str, model: str, wanted: RolloutRequest, aliases: AliasDirectory
) -> int:
    """The number that a request names, by itself or by an alias. Raises NotFoundError."""
    if wanted.version is not None:
        return wanted.version
    if wanted.alias is None:
        raise TypeError("a request that was validated names a version or an alias")
    return aliases.version_of(tenant_id, project, model, wanted.alias)


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
