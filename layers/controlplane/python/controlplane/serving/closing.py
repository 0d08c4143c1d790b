"""What is done when a rollout has ended, however it did: nothing is held for it any more, and its evidence is kept."""

from collections.abc import Sequence
from typing import Any

from controlplane.identifiers import now
from controlplane.requests import PageRequest
from controlplane.serving.cluster_ports import ClusterChange, RolloutCluster
from controlplane.serving.metric_ports import EvidenceStore
from controlplane.serving.model import (
    Deployment,
    FrozenPlan,
    Rollout,
    RolloutState,
    ServingState,
)
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.preflight import transition_between
from controlplane.serving.preparation import as_written
from controlplane.serving.progress import Progress, Tick
from controlplane.serving.retirement import Place, Revisions, take_traffic_off
from controlplane.serving.states import Phase

_OPEN = (RolloutState.WAITING, RolloutState.RUNNING)


def finish_rollout(
    tenant_id: str,
    project: str,
    name: str,
    rollout_id: str,
    *,
    deployments: DeploymentRepository,
    cluster: RolloutCluster,
    revisions: Revisions,
) -> None:
    """Take the traffic off what retires, and undo what was done for a rollout's time only. It may be repeated.

    What is undone is what the deployment's last rollout did, whichever one asks: an older one's end that comes late
    moves no traffic of a newer one, and where one was left alone because the next had begun, that next one's end
    does the same, though it may have done nothing itself. What was written, as far as it came, becomes a tick of the
    rollout that asks, or of that last one where none does: an execution died, and another one undoes what it left.
    """
    place = (tenant_id, project, name)
    deployment, ended = deployments.find(*place, rollout_id or None)
    if deployment is None or deployment.active is not None:
        return
    last, rollout = deployment.carried_out, ended
    if last != rollout_id:
        _, rollout = deployments.find(*place, last) if last else (None, None)
    told = ended or rollout
    changes: list[ClusterChange] = []
    try:
        take_traffic_off(Place(tenant_id, project, deployment), revisions, changes)
        if rollout is not None and rollout.plan is not None:
            changes += _undo(place, rollout, rollout.plan, deployment, cluster)
    finally:
        if told is not None and changes:
            _record(tenant_id, project, told, changes, deployments)


def _record(
    tenant_id: str,
    project: str,
    rollout: Rollout,
    changes: Sequence[ClusterChange],
    deployments: DeploymentRepository,
) -> None:
    progress = rollout.progress or Progress()
    tick = Tick(
        rollout_id=rollout.rollout_id,
        number=progress.ticks + 1,
        at=now(),
        phase=progress.phase,
        percent=0 if rollout.state is not RolloutState.PROMOTED else 100,
        changes=as_written(changes),
        note="after the end",
    )
    deployments.record_closing(tenant_id, project, rollout, tick)


def _undo(
    place: tuple[str, str, str],
    rollout: Rollout,
    plan: FrozenPlan,
    deployment: Deployment,
    cluster: RolloutCluster,
) -> Sequence[ClusterChange]:
    """Whoever serves gets the settings that the deployment's item has of it, whatever was tried since."""
    promoted, stable = rollout.state is RolloutState.PROMOTED, deployment.stable
    in_place = plan.stable is None and not promoted
    served = plan.canary if promoted or plan.stable is None else plan.stable
    if stable is None or served.version.number != stable.model_version:
        return ()
    changed = "canary" if served is plan.canary else "stable"
    mechanism = stable.mechanism if in_place else plan.mechanism
    own = served.model_copy(update={"settings": stable.settings})
    frozen = plan.model_copy(update={changed: own, "mechanism": mechanism})
    way = transition_between(*place, rollout.rollout_id, rollout.started_at, frozen)
    if not in_place:
        return cluster.finish(way, promoted=promoted)
    if deployment.serving is ServingState.RUNNING:  # to write it again starts what was stopped
        return cluster.restore(way)
    return ()


def write_evidence(
    tenant_id: str,
    project: str,
    name: str,
    rollout_id: str,
    *,
    deployments: DeploymentRepository,
    evidence: EvidenceStore,
) -> Rollout | None:
    """Keep the bundle of a rollout that has ended: its plan, every tick with its verdict and its writes, who and when.

    Only when it is there does the rollout's record say so.

    The rollout; None when there is none that has ended. It may be repeated.
    """
    rollout = find_ended(tenant_id, project, name, rollout_id, deployments=deployments)
    if rollout is None:
        return None
    ticks = read_ticks(tenant_id, project, name, rollout.rollout_id, deployments)
    bundle = evidence_bundle(tenant_id, project, rollout, ticks)
    key = evidence.write(tenant_id, project, name, rollout.rollout_id, bundle)
    deployments.record_evidence(tenant_id, project, rollout, key)
    return rollout


def evidence_bundle(
    tenant_id: str, project: str, rollout: Rollout, ticks: list[Tick]
) -> dict[str, Any]:
    """What a rollout was to be, what was seen, said and written at each tick, and how it ended."""
    progress = rollout.progress
    return {
        "tenant_id": tenant_id,
        "project": project,
        "deployment": rollout.deployment,
        "rollout": rollout.rollout_id,
        "kind": rollout.kind,
        "model_version": rollout.model_version,
        "requested_by": rollout.requested_by,
        "requested_at": rollout.requested_at,
        "started_at": rollout.started_at,
        "ended_at": rollout.ended_at,
        "state": rollout.state,
        "reason": rollout.reason,
        "rolled_back_seconds": rollout.rolled_back_seconds,
        "plan": rollout.plan,
        "steps": list(rollout.plan.policy.steps) if rollout.plan else [],
        "commands": [command for tick in ticks for command in tick.commands],
        "verdict": progress.judgement if progress else None,
        "evidence": progress.evidence if progress else None,
        "ticks": ticks,
        "reached": progress.phase if progress else Phase.PREPARING,
    }


def read_ticks(
    tenant_id: str, project: str, name: str, rollout_id: str, deployments: DeploymentRepository
) -> list[Tick]:
    """All of them, page by page."""
    ticks: list[Tick] = []
    after: str | None = None
    while True:
        page = deployments.list_ticks(
            tenant_id, project, name, rollout_id, PageRequest(after=after)
        )
        ticks.extend(page.items)
        if page.next_after is None:
            return ticks
        after = page.next_after


def find_ended(
    tenant_id: str,
    project: str,
    name: str,
    rollout_id: str,
    *,
    deployments: DeploymentRepository,
) -> Rollout | None:
    """The rollout of that name; without one, the deployment's last. None while it has not ended."""
    deployment, rollout = deployments.find(tenant_id, project, name, rollout_id or None)
    if not rollout_id and deployment is not None and deployment.last_rollout is not None:
        last = deployment.last_rollout.rollout_id
        _, rollout = deployments.find(tenant_id, project, name, last)
    return None if rollout is None or rollout.state in _OPEN else rollout
