"""State machine task: one tick of the rollout; look, judge, decide and act."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from controlplane.runtime.rollouts import TurnInput
from controlplane.runtime.settings import RolloutSettings, load
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.metrics import metric_source, prober
from controlplane.runtime.wiring.serving import deployment_repository, rollout_cluster
from controlplane.serving.advance import Tools, advance_rollout


@task(TurnInput.model_validate)
def lambda_handler(given: TurnInput) -> dict[str, Any]:
    """`next` (Tick, Prepare, HandOver, End), `seconds` until then, and the last command that was seen."""
    tools = Tools(
        rollout_cluster(),
        metric_source(),
        prober(),
        timedelta(seconds=load(RolloutSettings).retire_after_seconds),
    )
    turn = advance_rollout(
        given.reference, given.turn, deployments=deployment_repository(), tools=tools
    )
    return asdict(turn)
