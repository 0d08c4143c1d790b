"""State machine task: keep the evidence of a rollout that has ended, tell and count how it did."""

from typing import Any

from controlplane.runtime.rollout_counts import count_ended_rollout
from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.metrics import evidence_store
from controlplane.runtime.wiring.serving import deployment_repository
from controlplane.serving.closing import find_ended, write_evidence


class EndInput(RolloutInput):
    """`bundle` is false once it could not be written: what else is known of the end is told all the same."""

    bundle: bool = True


@task(EndInput.model_validate)
def lambda_handler(given: EndInput) -> dict[str, Any]:
    """How the rollout ended, for the execution's output; all None where none has."""
    place = (given.tenant_id, given.project, given.deployment, given.rollout_id)
    if given.bundle:
        rollout = write_evidence(
            *place, deployments=deployment_repository(), evidence=evidence_store()
        )
    else:
        rollout = find_ended(*place, deployments=deployment_repository())
    if rollout is None:
        return dict.fromkeys(("version", "state", "reason", "rolled_back_seconds"))
    count_ended_rollout(rollout.state)
    return {
        "version": rollout.model_version,
        "state": rollout.state,
        "reason": rollout.reason.code if rollout.reason else None,
        "rolled_back_seconds": rollout.rolled_back_seconds,
    }
