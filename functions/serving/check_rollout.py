"""State machine task: find out what must fail before anything is changed, and freeze what the rollout goes by."""

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.metrics import counts_copies, has_metric_source
from controlplane.runtime.wiring.registry import artifacts
from controlplane.runtime.wiring.serving import (
    deployment_repository,
    rollout_cluster,
    version_catalog,
)
from controlplane.serving.preflight import check_rollout


@task(RolloutInput.model_validate)
def lambda_handler(given: RolloutInput) -> None:
    check_rollout(
        given.reference,
        deployments=deployment_repository(),
        versions=version_catalog(),
        artifacts=artifacts(),
        cluster=rollout_cluster(),
        has_metrics=has_metric_source(),
        counts_copies=counts_copies(),
    )
