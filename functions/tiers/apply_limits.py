"""State machine task: give one tenant the limits of its subscription, in the table and in the cluster."""

from controlplane.runtime.propagations import TenantInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.cluster import tenant_cluster
from controlplane.runtime.wiring.tiers import subscription_repository
from controlplane.tiers.propagation import apply_limits


@task(TenantInput.model_validate)
def lambda_handler(given: TenantInput) -> dict[str, str]:
    result = apply_limits(
        given.tenant_id, subscriptions=subscription_repository(), cluster=tenant_cluster()
    )
    return {"tenant_id": result.tenant_id, "outcome": result.outcome}
