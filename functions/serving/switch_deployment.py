"""DeploymentStopped, DeploymentResumed: take a deployment's revisions to no pods in the cluster, or back."""

from controlplane.runtime.deployment_events import DeploymentEventInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import deployment_repository, revision_cluster
from controlplane.serving.switching import switch_deployment


@task(DeploymentEventInput.parse)
def lambda_handler(given: DeploymentEventInput) -> None:
    switch_deployment(
        given.tenant_id,
        given.project,
        given.deployment,
        deployments=deployment_repository(),
        revisions=revision_cluster,
    )
