"""State machine task: write the revision's InferenceService, and the deployment's route if it has none."""

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import (
    deployment_repository,
    revision_cluster,
    version_catalog,
)
from controlplane.serving.rollout import apply_revision


@task(RolloutInput.model_validate)
def lambda_handler(given: RolloutInput) -> None:
    apply_revision(
        given.reference,
        deployments=deployment_repository(),
        versions=version_catalog(),
        cluster=revision_cluster(),
    )
