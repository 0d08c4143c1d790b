"""State machine task: take up what an event asks for, and start the next rollout if it can start."""

from datetime import timedelta
from typing import Any

from controlplane.runtime.rollouts import OpeningInput
from controlplane.runtime.settings import RolloutSettings, load
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.serving import (
    deployment_repository,
    limit_directory,
    serving_policies,
)
from controlplane.serving.opening import open_rollout


@task(OpeningInput.parse)
def lambda_handler(given: OpeningInput) -> dict[str, Any]:
    """The action to go on with, and the input that every later task of the execution takes."""
    opened = open_rollout(
        given.tenant_id,
        given.project,
        given.deployment,
        given.execution,
        timedelta(seconds=load(RolloutSettings).rollout_timeout_seconds),
        given.registered,
        deployments=deployment_repository(),
        limits=limit_directory(),
        policies=serving_policies(),
    )
    rollout = given.model_dump(exclude={"registered"}) | {"rollout_id": opened.rollout_id or ""}
    return {"action": opened.action, "rollout": rollout}
