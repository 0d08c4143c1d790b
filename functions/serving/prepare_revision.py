"""State machine task: bring the rollout's revision up, without traffic."""

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import (
    deployment_repository,
    revision_cluster,
    rollout_cluster,
)
from controlplane.serving.preparation import prepare_revision


@task(RolloutInput.model_validate)
def lambda_handler(given: RolloutInput) -> None:
    prepare_revision(
        given.reference,
        deployments=deployment_repository(),
        cluster=rollout_cluster(),
        revisions=revision_cluster,
    )
