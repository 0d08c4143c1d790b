"""State machine task: make or remove one of a tenant's parts in the cluster."""

from typing import Any

from controlplane.runtime.tasks import task
from controlplane.runtime.tenant_work import StepInput
from controlplane.runtime.wiring.onboarding import cluster_parts, tenant_records


@task(StepInput.model_validate)
def lambda_handler(given: StepInput) -> dict[str, Any]:
    """The step to go on with."""
    return given.carry_out(cluster_parts(), tenant_records())
