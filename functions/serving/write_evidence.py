"""State machine task: keep the evidence of a rollout that has ended, and count how it did."""

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from controlplane.runtime.rollouts import RolloutInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.metrics import evidence_store
from controlplane.runtime.wiring.serving import deployment_repository
from controlplane.serving.closing import write_evidence


@task(RolloutInput.model_validate)
def lambda_handler(given: RolloutInput) -> None:
    rollout = write_evidence(
        given.tenant_id,
        given.project,
        given.deployment,
        given.rollout_id,
        deployments=deployment_repository(),
        evidence=evidence_store(),
    )
    if rollout is not None:
        with single_metric(name="RolloutsEnded", unit=MetricUnit.Count, value=1) as metric:
            metric.add_dimension(name="state", value=rollout.state)
