"""State machine task: end, export or remove what a tenant has stored."""

from typing import Any

from controlplane.runtime.tasks import task
from controlplane.runtime.tenant_work import StepInput
from controlplane.runtime.wiring.onboarding import data_parts, tenant_records


@task(StepInput.model_validate)
def lambda_handler(given: StepInput) -> dict[str, Any]:
    """The step to go on with."""
    return given.carry_out(data_parts(), tenant_records())
