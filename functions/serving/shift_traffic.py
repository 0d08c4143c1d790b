"""State machine task: give the ready revision all traffic."""

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import deployment_repository, revision_cluster
from controlplane.serving.rollout import shift_traffic


@task(RolloutInput.model_validate)
def lambda_handler(given: RolloutInput) -> None:
    shift_traffic(given.reference, deployments=deployment_repository(), cluster=revision_cluster())
