"""How an execution waits for the next tick of a rollout, and is woken when somebody tells the rollout something.

A command is in the deployment's item before anybody is woken. Whoever comes second, the waiting or the waking, finds
what the first has left: no order of the two loses the command, and if both find it the second answer is no error.
"""

from datetime import timedelta

from controlplane.identifiers import now
from controlplane.serving.ports import DeploymentRepository, TaskTokens, TickWaits

# A token is of no use after its wait, which is at most five minutes.
TOKEN_LIFETIME = timedelta(hours=1)


def await_tick(
    tenant_id: str,
    project: str,
    name: str,
    execution: str,
    token: str,
    commands: int,
    *,
    deployments: DeploymentRepository,
    waits: TickWaits,
    tokens: TaskTokens,
) -> None:
    """Keep the token of the waiting task; wake it at once when more was said than the last tick has seen."""
    waits.remember(tenant_id, project, name, token, now() + TOKEN_LIFETIME)
    deployment, _ = deployments.find(tenant_id, project, name)
    active = deployment.active if deployment else None
    if active is None or active.execution != execution or active.given > commands:
        tokens.complete(token)


def wake_rollout(
    tenant_id: str, project: str, name: str, *, waits: TickWaits, tokens: TaskTokens
) -> None:
    """Let the next tick come now."""
    token = waits.find(tenant_id, project, name)
    if token is not None:
        tokens.complete(token)
