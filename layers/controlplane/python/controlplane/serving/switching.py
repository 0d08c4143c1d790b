"""Stopping and resuming a deployment in the cluster, as its item says."""

from collections.abc import Callable

from controlplane.serving.deployment_events import DeploymentSwitched
from controlplane.serving.model import Deployment, ServingState
from controlplane.serving.ports import DeploymentRepository, RevisionSwitch
from controlplane.serving.states import Mechanism

_REACHED = {
    ServingState.STOPPING: ServingState.STOPPED,
    ServingState.RESUMING: ServingState.RUNNING,
}
Switches = Callable[[Mechanism], RevisionSwitch]


def switch_deployment(
    tenant_id: str,
    project: str,
    name: str,
    *,
    deployments: DeploymentRepository,
    revisions: Switches,
) -> None:
    """Bring the cluster to what the deployment's item says now, whichever event asks for it.

    Where nothing serves there is nothing to stop, and the deployment is open for a version.

    Raises ConcurrentChangeError when the deployment was changed meanwhile, ClusterUnavailableError: call it again.
    """
    deployment, _ = deployments.find(tenant_id, project, name)
    reached = _REACHED.get(deployment.serving) if deployment else None
    if deployment is None or reached is None:
        return
    if deployment.stable is None:
        reached = ServingState.RUNNING
    else:
        for mechanism, names in _revisions(deployment).items():
            stopped = reached is ServingState.STOPPED
            revisions(mechanism).set_stopped(tenant_id, names, stopped=stopped)
    event = DeploymentSwitched(
        tenant_id=tenant_id, project=project, deployment=name, serving=reached
    )
    after = deployment.with_changes(serving=reached)
    deployments.save(tenant_id, project, deployment, after, [], event)


def _revisions(deployment: Deployment) -> dict[Mechanism, list[str]]:
    """All that it has in the cluster, by the mechanism that keeps them: one may outlive a change of it."""
    found: dict[Mechanism, list[str]] = {}
    if deployment.stable is not None:
        found[deployment.stable.mechanism] = [deployment.stable.name]
    for revision in deployment.retiring:
        found.setdefault(revision.mechanism, []).append(revision.name)
    return found
