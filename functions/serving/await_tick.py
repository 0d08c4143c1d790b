"""State machine task that waits for its token: keep it for the next command, or answer at once if there is one."""

from controlplane.runtime.rollouts import WaitInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import deployment_repository, task_tokens, tick_waits
from controlplane.serving.waiting import await_tick


@task(WaitInput.model_validate)
def lambda_handler(given: WaitInput) -> None:
    await_tick(
        given.tenant_id,
        given.project,
        given.deployment,
        given.execution,
        given.token,
        given.commands,
        deployments=deployment_repository(),
        waits=tick_waits(),
        tokens=task_tokens(),
    )
