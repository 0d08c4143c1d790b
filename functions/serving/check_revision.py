"""State machine task: see how far the revision is."""

from typing import Any

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import deployment_repository, revision_cluster
from controlplane.serving.rollout import check_revision


@task(RolloutInput.model_validate)
def lambda_handler(given: RolloutInput) -> dict[str, Any]:
    state = check_revision(
        given.reference, deployments=deployment_repository(), cluster=revision_cluster()
    )
    return {"state": state}
