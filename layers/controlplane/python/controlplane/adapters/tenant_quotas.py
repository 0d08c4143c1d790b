"""How much of the cluster a tenant may take: its limits, divided between its models and its pipelines.

ResourceQuota and Kueue do not see each other's pods, so each is given a part and the parts add up to the limit
exactly: models get the larger half, since a tenant with one GPU needs it to serve. Pipelines wait for their part in
Kueue's queue. A ResourceQuota on it as well would refuse pods that Kueue means to hold back, because a pod counts from
its creation: so the runs' namespace has only the brake on their number.
"""

from dataclasses import dataclass

from controlplane.adapters.tenant_objects import Manifest, tenant_object
from controlplane.identifiers import runs_namespace, serving_namespace
from controlplane.limits import Limits, TenantPlan

GPU = "nvidia.com/gpu"
NAME = "headrace"
# The stable revision, the one on trial and the one before.
REVISIONS_OF_A_DEPLOYMENT = 3
# What a container gets that asks for nothing; a quota refuses pods that say nothing of what it counts.
DEFAULT_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
DEFAULT_LIMITS = {"memory": "1Gi"}


@dataclass(frozen=True)
class Share:
    """Part of a tenant's limits."""

    cpu_millicores: int
    memory_bytes: int
    gpus: int
    pods: int

    @property
    def cpu(self) -> str:
        return f"{self.cpu_millicores}m"

    @property
    def memory(self) -> str:
        return str(self.memory_bytes)


def serving_share(limits: Limits) -> Share:
    """The larger half."""
    return Share(
        cpu_millicores=(limits.cpu_millicores + 1) // 2,
        memory_bytes=(limits.memory_bytes + 1) // 2,
        gpus=(limits.gpus + 1) // 2,
        pods=(limits.pods + 1) // 2,
    )


def runs_share(limits: Limits) -> Share:
    """What serving does not get."""
    return Share(
        cpu_millicores=limits.cpu_millicores // 2,
        memory_bytes=limits.memory_bytes // 2,
        gpus=limits.gpus // 2,
        pods=limits.pods // 2,
    )


def quotas(plan: TenantPlan) -> list[Manifest]:
    """A ResourceQuota and a LimitRange in each namespace.

    The LimitRange never speaks of GPUs: a `max` there makes the API server write a request for one into every
    container.
    """
    tenant_id, limits = plan.tenant_id, plan.limits
    serving, runs = serving_share(limits), runs_share(limits)
    of_models = {
        "requests.cpu": serving.cpu,
        "requests.memory": serving.memory,
        "limits.memory": serving.memory,
        f"requests.{GPU}": str(serving.gpus),
        "pods": str(serving.pods),
        "count/inferenceservices.serving.kserve.io": str(
            limits.deployments * REVISIONS_OF_A_DEPLOYMENT
        ),
        **_NO_WAY_OUT,
    }
    of_runs = {"pods": str(runs.pods), **_NO_WAY_OUT}
    return [
        _quota(tenant_id, serving_namespace(tenant_id), of_models),
        _defaults(tenant_id, serving_namespace(tenant_id)),
        _quota(tenant_id, runs_namespace(tenant_id), of_runs),
        _defaults(tenant_id, runs_namespace(tenant_id)),
    ]


# A Service of these types would be reached past the gateway.
_NO_WAY_OUT = {"services.loadbalancers": "0", "services.nodeports": "0"}


def _quota(tenant_id: str, namespace: str, hard: dict[str, str]) -> Manifest:
    return tenant_object("ResourceQuota", tenant_id, NAME, namespace=namespace, spec={"hard": hard})


def _defaults(tenant_id: str, namespace: str) -> Manifest:
    limit = {"type": "Container", "defaultRequest": DEFAULT_REQUESTS, "default": DEFAULT_LIMITS}
    return tenant_object(
        "LimitRange", tenant_id, NAME, namespace=namespace, spec={"limits": [limit]}
    )
