"""Stopping and resuming the serving of a tenant that was suspended or activated."""

from controlplane.errors import NotFoundError
from controlplane.onboarding.model import (
    ServingState,
    TenantEvent,
    TenantServingResumed,
    TenantServingStopped,
)
from controlplane.onboarding.ports import ServingSwitch, TenantRepository


def switch_serving(tenant_id: str, *, tenants: TenantRepository, cluster: ServingSwitch) -> None:
    """Bring the cluster to what the tenant's item says now, whichever event asks for it.

    Raises ConcurrentChangeError when the tenant was changed meanwhile, ClusterUnavailableError: call it again.
    """
    try:
        tenant = tenants.get(tenant_id)
    except NotFoundError:
        return
    event: TenantEvent
    if tenant.serving is ServingState.STOPPING:
        cluster.stop_serving(tenant_id)
        reached, event = ServingState.STOPPED, TenantServingStopped(tenant_id=tenant_id)
    elif tenant.serving is ServingState.RESUMING:
        cluster.resume_serving(tenant_id)
        reached, event = ServingState.RUNNING, TenantServingResumed(tenant_id=tenant_id)
    else:
        return
    tenants.save(tenant, tenant.with_changes(serving=reached), event)
