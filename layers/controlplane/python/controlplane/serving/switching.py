"""Stopping and resuming a deployment in the cluster, as its item says."""

from controlplane.serving.deployment_events import DeploymentSwitched
from controlplane.serving.model import ServingState
from controlplane.serving.ports import DeploymentRepository, RevisionSwitch

_REACHED = {
    ServingState.STOPPING: ServingState.STOPPED,
    ServingState.RESUMING: ServingState.RUNNING,
}


def switch_deployment(
    tenant_id: str,
    project: str,
    name: str,
    *,
    deployments: DeploymentRepository,
    cluster: RevisionSwitch,
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
        names = (deployment.stable.name, *(revision.name for revision in deployment.retiring))
        cluster.set_stopped(tenant_id, names, stopped=reached is ServingState.STOPPED)
    event = DeploymentSwitched(
        tenant_id=tenant_id, project=project, deployment=name, serving=reached
    )
    after = deployment.with_changes(serving=reached)
    deployments.save(tenant_id, project, deployment, after, [], event)
