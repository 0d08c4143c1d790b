"""State machine task: make or remove a tenant's subscription, schedules, storage access or people."""

from typing import Any

from controlplane.runtime.tasks import task
from controlplane.runtime.tenant_work import StepInput
from controlplane.runtime.wiring.onboarding import cloud_parts, tenant_records


@task(StepInput.model_validate)
def lambda_handler(given: StepInput) -> dict[str, Any]:
    """The step to go on with."""
    return given.carry_out(cloud_parts(), tenant_records())
