"""Where a tenant's pipelines wait for their part of the cluster: Kueue's objects.

Every tenant has a ClusterQueue in the one cohort. It borrows nothing, so that the tenant's limit is exact; whoever runs
the platform may lend spare capacity through the Cohort's own quota.
"""

from collections.abc import Mapping

from controlplane.adapters.tenant_objects import (
    TENANT,
    Manifest,
    tenant_object,
    tenant_toleration,
)
from controlplane.adapters.tenant_quotas import GPU, runs_share
from controlplane.identifiers import runs_namespace, serving_namespace
from controlplane.limits import Isolation, TenantPlan

COHORT = "headrace"
SHARED_FLAVOR = "headrace-shared"
SHARED_GPU_FLAVOR = "headrace-shared-gpu"
# Kueue puts pods that name no queue into the one of this name, so that none passes by it.
LOCAL_QUEUE = "default"


def queue_name(tenant_id: str) -> str:
    """The ClusterQueue; also the ResourceFlavor of a tenant with nodes of its own."""
    return serving_namespace(tenant_id)


def flavor(tenant_id: str) -> Manifest:
    """The nodes of a tenant: Kueue gives the pods that it admits their label and their taint's toleration."""
    return tenant_object(
        "ResourceFlavor",
        tenant_id,
        queue_name(tenant_id),
        spec={"nodeLabels": {TENANT: tenant_id}, "tolerations": [tenant_toleration(tenant_id)]},
    )


def queues(plan: TenantPlan) -> list[Manifest]:
    """The queue of the runs' namespace; models do not pass through it, Kueue does not know InferenceServices."""
    tenant_id = plan.tenant_id
    made = [
        tenant_object(
            "ClusterQueue",
            tenant_id,
            queue_name(tenant_id),
            spec={
                "cohortName": COHORT,
                "namespaceSelector": {"matchLabels": {TENANT: tenant_id}},
                "queueingStrategy": "BestEffortFIFO",
                "preemption": {
                    "reclaimWithinCohort": "Any",
                    "withinClusterQueue": "LowerPriority",
                },
                "resourceGroups": _resource_groups(plan),
            },
        ),
        tenant_object(
            "LocalQueue",
            tenant_id,
            LOCAL_QUEUE,
            namespace=runs_namespace(tenant_id),
            spec={"clusterQueue": queue_name(tenant_id)},
        ),
    ]
    return [flavor(tenant_id), *made] if plan.isolation is Isolation.DEDICATED else made


def _resource_groups(plan: TenantPlan) -> list[Manifest]:
    share = runs_share(plan.limits)
    plain: dict[str, str | int] = {"cpu": share.cpu, "memory": share.memory, "pods": share.pods}
    gpus: dict[str, str | int] = {GPU: share.gpus}
    if plan.isolation is Isolation.DEDICATED:
        return [_resource_group(queue_name(plan.tenant_id), plain | gpus)]
    # Apart, so that only pods that ask for a GPU are let onto the nodes that have one.
    return [_resource_group(SHARED_FLAVOR, plain), _resource_group(SHARED_GPU_FLAVOR, gpus)]


def _resource_group(flavor_name: str, quotas: Mapping[str, str | int]) -> Manifest:
    resources = [
        {"name": name, "nominalQuota": amount, "borrowingLimit": 0}
        for name, amount in quotas.items()
    ]
    return {
        "coveredResources": list(quotas),
        "flavors": [{"name": flavor_name, "resources": resources}],
    }
