"""RolloutCommanded: let the execution that waits for its next tick look now."""

from controlplane.runtime.deployment_events import DeploymentEventInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import task_tokens, tick_waits
from controlplane.serving.waiting import wake_rollout


@task(DeploymentEventInput.parse)
def lambda_handler(given: DeploymentEventInput) -> None:
    wake_rollout(
        given.tenant_id,
        given.project,
        given.deployment,
        waits=tick_waits(),
        tokens=task_tokens(),
    )
