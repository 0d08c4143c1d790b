"""How a revision that serves no longer goes away, and what is done when nobody saw to it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from controlplane.errors import ConcurrentChangeError
from controlplane.identifiers import now
from controlplane.serving.cluster_ports import ClusterChange
from controlplane.serving.deployment_events import DeploymentDeleted, RevisionRetired
from controlplane.serving.model import Deployment, RetiringRevision
from controlplane.serving.ports import DeploymentRepository, RevisionCluster
from controlplane.serving.queue import retired
from controlplane.serving.states import ONE_OBJECT, Mechanism, RolloutKind

BUSY_SECONDS = 5
Revisions = Callable[[Mechanism], RevisionCluster]


@dataclass(frozen=True)
class Place:
    """A deployment of a tenant's project, as it was read."""

    tenant_id: str
    project: str
    deployment: Deployment


def retire_revisions(
    tenant_id: str,
    project: str,
    name: str,
    *,
    deployments: DeploymentRepository,
    revisions: Revisions,
) -> int | None:
    """Take the traffic off every revision that serves no longer, and delete those whose grace time has passed.

    Returns the seconds until the next one is due, or None when none is left. Raises ConcurrentChangeError when
    the deployment or a revision changed meanwhile: call it again.
    """
    deployment, _ = deployments.find(tenant_id, project, name)
    while deployment is not None and deployment.retiring:
        place = Place(tenant_id, project, deployment)
        free = take_traffic_off(place, revisions, [])
        leaving = [one for one in deployment.retiring if not _is_wanted(deployment, one)]
        if not leaving:
            return BUSY_SECONDS
        due = min(leaving, key=lambda revision: revision.retire_at)
        left = (due.retire_at - now()) / timedelta(seconds=1)
        if left > 0:
            return ceil(left)
        if not free:
            return BUSY_SECONDS
        deployment = _retire(place, due, deployments, revisions(due.mechanism))
    if deployment is not None and _is_leaving(deployment):
        for mechanism in _mechanisms(deployment):
            revisions(mechanism).delete_route(tenant_id, project, name)
        event = DeploymentDeleted(tenant_id=tenant_id, project=project, deployment=name)
        deployments.remove(tenant_id, project, deployment, event)
    return None


def _is_wanted(deployment: Deployment, revision: RetiringRevision) -> bool:
    """Whether a rollback that waits for its turn goes back to it, whatever time it takes until it begins."""
    waiting = deployment.waiting
    if waiting is None or waiting.kind is not RolloutKind.ROLLBACK:
        return False
    return revision.previous and revision.model_version == waiting.model_version


def _is_leaving(deployment: Deployment) -> bool:
    return deployment.deleting and deployment.active is None and deployment.waiting is None


def take_traffic_off(place: Place, revisions: Revisions, changes: list[ClusterChange]) -> bool:
    """Make sure that the route gives nothing to what retires; False while a rollout has the route in hand.

    What is written is added to `changes`, also where a later write is refused.

    A rollout whose execution died, or that failed after it had shifted the traffic, leaves its revision a share: it
    goes back as soon as this is called, whenever the revision itself may go.
    """
    deployment = place.deployment
    for mechanism in _mechanisms(deployment):
        store = revisions(mechanism)
        weights = store.find_weights(place.tenant_id, place.project, deployment.name) or {}
        if not any(weights.get(leaving.name) for leaving in deployment.retiring):
            continue
        if deployment.active is not None:
            return False
        if deployment.stable is not None:
            all_traffic = {deployment.stable.name: 100}
            changes += store.apply_route(
                place.tenant_id, place.project, deployment.name, all_traffic
            )
    return True


def _mechanisms(deployment: Deployment) -> list[Mechanism]:
    """Of its revisions; the usual one where there are none."""
    found = {revision.mechanism for revision in deployment.retiring}
    if deployment.stable is not None:
        found.add(deployment.stable.mechanism)
    return sorted(found) or [Mechanism.ROUTE]


def _retire(
    place: Place,
    due: RetiringRevision,
    deployments: DeploymentRepository,
    store: RevisionCluster,
) -> Deployment:
    """Delete one revision, unless a rollout has taken it up again since the deployment was read."""
    tenant_id, project, name = place.tenant_id, place.project, place.deployment.name
    mark = store.find_revision_mark(tenant_id, due.name)
    current, _ = deployments.find(tenant_id, project, name)
    if current is None or due not in current.retiring or _is_wanted(current, due):
        raise ConcurrentChangeError(f"{due.name} is not retiring any more")
    alone = current.stable is None and current.active is None
    # What keeps all revisions in one object has nothing of this one left to delete while another is served.
    if mark is not None and (alone or due.mechanism not in ONE_OBJECT):
        store.delete_revision(tenant_id, due.name, mark)
    if alone:
        store.delete_route(tenant_id, project, name)
    remaining = retired(current, due.model_version)
    event = RevisionRetired(
        tenant_id=tenant_id,
        project=project,
        deployment=name,
        model_version=due.model_version,
    )
    deployments.save(tenant_id, project, current, remaining, [], event)
    return remaining.with_changes(version=current.version + 1)
