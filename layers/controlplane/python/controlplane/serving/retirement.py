"""How a revision that serves no longer goes away, and what is done when nobody saw to it."""

from datetime import timedelta
from math import ceil

from controlplane.errors import ConcurrentChangeError
from controlplane.identifiers import now
from controlplane.serving.model import (
    Deployment,
    DeploymentDeleted,
    RetiringRevision,
    RevisionRetired,
)
from controlplane.serving.ports import DeploymentRepository, RevisionCluster
from controlplane.serving.queue import retired

BUSY_SECONDS = 5


def retire_revisions(
    tenant_id: str,
    project: str,
    name: str,
    *,
    deployments: DeploymentRepository,
    cluster: RevisionCluster,
) -> int | None:
    """Delete the revisions whose grace time has passed.

    Returns the seconds until the next one is due, or None when none is left. Raises ConcurrentChangeError when
    the deployment or a revision changed meanwhile: call it again.
    """
    deployment, _ = deployments.find(tenant_id, project, name)
    while deployment is not None and deployment.retiring:
        due = min(deployment.retiring, key=lambda revision: revision.retire_at)
        left = (due.retire_at - now()) / timedelta(seconds=1)
        if left > 0:
            return ceil(left)
        if not _take_traffic_off(tenant_id, project, deployment, due, cluster):
            return BUSY_SECONDS
        deployment = _retire(tenant_id, project, deployment, due, deployments, cluster)
    if deployment is not None and _is_leaving(deployment):
        cluster.delete_route(tenant_id, project, name)
        event = DeploymentDeleted(tenant_id=tenant_id, project=project, deployment=name)
        deployments.remove(tenant_id, project, deployment, event)
    return None


def _is_leaving(deployment: Deployment) -> bool:
    return deployment.deleting and deployment.active is None and deployment.waiting is None


def _take_traffic_off(
    tenant_id: str,
    project: str,
    deployment: Deployment,
    due: RetiringRevision,
    cluster: RevisionCluster,
) -> bool:
    """Make sure that the route gives the revision nothing; False while a rollout has the route in hand.

    A rollout that failed after it had shifted the traffic leaves the route at its own revision.
    """
    weights = cluster.find_weights(tenant_id, project, deployment.name)
    if weights is None or not weights.get(due.name):
        return True
    if deployment.active is not None:
        return False
    if deployment.stable is not None:
        cluster.apply_route(tenant_id, project, deployment.name, {deployment.stable.name: 100})
    return True


def _retire(
    tenant_id: str,
    project: str,
    deployment: Deployment,
    due: RetiringRevision,
    deployments: DeploymentRepository,
    cluster: RevisionCluster,
) -> Deployment:
    """Delete one revision, unless a rollout has taken it up again since the deployment was read."""
    mark = cluster.find_revision_mark(tenant_id, due.name)
    current, _ = deployments.find(tenant_id, project, deployment.name)
    if current is None or due not in current.retiring:
        raise ConcurrentChangeError(f"{due.name} is not retiring any more")
    if mark is not None:
        cluster.delete_revision(tenant_id, due.name, mark)
    if current.stable is None and current.active is None:
        cluster.delete_route(tenant_id, project, current.name)
    remaining = retired(current, due.model_version)
    event = RevisionRetired(
        tenant_id=tenant_id,
        project=project,
        deployment=current.name,
        model_version=due.model_version,
    )
    deployments.save(tenant_id, project, current, remaining, [], event)
    return remaining.with_changes(version=current.version + 1)
