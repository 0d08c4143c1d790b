"""TenantSuspended, TenantActivated: stop or resume the tenant's serving in the cluster."""

from controlplane.onboarding.serving_switch import switch_serving
from controlplane.runtime.tasks import task
from controlplane.runtime.tenant_work import TenantInput
from controlplane.runtime.wiring.onboarding import serving_switch, tenant_records


@task(TenantInput.parse)
def lambda_handler(given: TenantInput) -> None:
    switch_serving(given.tenant_id, tenants=tenant_records(), cluster=serving_switch())
