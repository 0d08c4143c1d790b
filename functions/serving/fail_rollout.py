"""State machine task: record that the rollout ended without success, and why."""

from controlplane.runtime.rollouts import FailureInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import deployment_repository
from controlplane.serving.rollout import fail_rollout


@task(FailureInput.model_validate)
def lambda_handler(given: FailureInput) -> None:
    fail_rollout(given.reference, given.state, given.why, deployments=deployment_repository())
