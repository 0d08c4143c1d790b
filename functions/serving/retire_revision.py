"""State machine task: remove the revisions whose grace time has passed."""

from typing import Any

from controlplane.runtime.rollouts import DeploymentInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import deployment_repository, revision_cluster
from controlplane.serving.retirement import retire_revisions


@task(DeploymentInput.model_validate)
def lambda_handler(given: DeploymentInput) -> dict[str, Any]:
    """`wait_seconds` until the next revision is due; 0 when none is left."""
    left = retire_revisions(
        given.tenant_id,
        given.project,
        given.deployment,
        deployments=deployment_repository(),
        revisions=revision_cluster,
    )
    return {"wait_seconds": left or 0}
