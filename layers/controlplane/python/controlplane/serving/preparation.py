"""Bringing the canary up: at full size, without traffic."""

from collections.abc import Sequence

from controlplane.identifiers import now
from controlplane.serving.cluster_ports import ClusterChange, RolloutCluster
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.preflight import frozen_plan, transition_of
from controlplane.serving.progress import Change, Tick
from controlplane.serving.retirement import Revisions
from controlplane.serving.rollout import Owned, RolloutReference, read_owned, refusals_explained


@refusals_explained()
def prepare_revision(
    reference: RolloutReference,
    *,
    deployments: DeploymentRepository,
    cluster: RolloutCluster,
    revisions: Revisions,
) -> None:
    """Write the revision's objects, after no other revision has traffic that should have none.

    An execution that died may have left its canary a share; there are never two of them. Raises RolloutFailedError
    for what the cluster refuses.
    """
    owned = read_owned(reference, deployments)
    plan = frozen_plan(owned)
    changes = [*_take_traffic_back(owned, revisions)]
    changes += cluster.prepare(transition_of(owned, plan))
    progress = owned.progress.with_changes(ticks=owned.progress.ticks + 1)
    tick = Tick(
        rollout_id=reference.rollout_id,
        number=progress.ticks,
        at=now(),
        phase=progress.phase,
        percent=progress.percent,
        changes=as_written(changes),
    )
    record = owned.rollout.model_copy(update={"progress": progress})
    place = (reference.tenant_id, reference.project)
    deployments.save_progress(*place, owned.deployment, record, tick=tick)


def as_written(changes: Sequence[ClusterChange]) -> tuple[Change, ...]:
    """Writes to the cluster as a tick keeps them."""
    return tuple(Change(verb=change.verb, path=change.path, body=change.body) for change in changes)


def _take_traffic_back(owned: Owned, revisions: Revisions) -> Sequence[ClusterChange]:
    stable = owned.deployment.stable
    if stable is None or not owned.deployment.retiring:
        return ()
    store, place = revisions(stable.mechanism), owned.reference.place
    weights = store.find_weights(*place) or {}
    if any(weights.get(leaving.name) for leaving in owned.deployment.retiring):
        return store.apply_route(*place, {stable.name: 100})
    return ()
