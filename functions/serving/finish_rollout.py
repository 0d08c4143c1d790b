"""State machine task: after the end, take back what a rollout left in the cluster and must not keep."""

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import (
    deployment_repository,
    revision_cluster,
    rollout_cluster,
)
from controlplane.serving.closing import finish_rollout


@task(RolloutInput.model_validate)
def lambda_handler(given: RolloutInput) -> None:
    finish_rollout(
        given.tenant_id,
        given.project,
        given.deployment,
        given.rollout_id,
        deployments=deployment_repository(),
        cluster=rollout_cluster(),
        revisions=revision_cluster,
    )
