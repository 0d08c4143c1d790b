"""State machine task: record that the rollout's revision is the stable one."""

from datetime import timedelta

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.settings import RolloutSettings, load
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import deployment_repository
from controlplane.serving.rollout import finish_rollout


@task(RolloutInput.model_validate)
def lambda_handler(given: RolloutInput) -> None:
    grace = timedelta(seconds=load(RolloutSettings).retire_after_seconds)
    finish_rollout(given.reference, grace, deployments=deployment_repository())
