"""The nodes of a tenant that shares none: a Karpenter NodePool with the tenant's taint."""

from controlplane.adapters.tenant_objects import TENANT, Manifest, tenant_object
from controlplane.adapters.tenant_quotas import GPU
from controlplane.identifiers import serving_namespace
from controlplane.limits import TenantPlan

NODE_CLASS = "headrace"
# A node is not all pods: the rest is the system's own and what fits nowhere.
HEADROOM_PERCENT = 125
# Karpenter gives up GPU nodes too early (karpenter#7414): only when empty, and not at once.
CONSOLIDATE_AFTER = "15m"
EXPIRE_AFTER = "720h"
TERMINATION_GRACE = "1h"


def node_pool(plan: TenantPlan) -> Manifest:
    """The limits are the brake on cost; what pods may ask for is said by their quotas, within these."""
    limits = plan.limits
    categories = ["c", "m", "r", *(["g", "p"] if limits.gpus else [])]
    return tenant_object(
        "NodePool",
        plan.tenant_id,
        serving_namespace(plan.tenant_id),
        spec={
            "template": {
                "metadata": {"labels": {TENANT: plan.tenant_id}},
                "spec": {
                    "nodeClassRef": {
                        "group": "karpenter.k8s.aws",
                        "kind": "EC2NodeClass",
                        "name": NODE_CLASS,
                    },
                    "taints": [{"key": TENANT, "value": plan.tenant_id, "effect": "NoSchedule"}],
                    "requirements": [
                        _requirement("karpenter.k8s.aws/instance-category", *categories),
                        _requirement("karpenter.sh/capacity-type", "on-demand"),
                        _requirement("kubernetes.io/arch", "amd64"),
                        _requirement("kubernetes.io/os", "linux"),
                    ],
                    "expireAfter": EXPIRE_AFTER,
                    "terminationGracePeriod": TERMINATION_GRACE,
                },
            },
            "disruption": {
                "consolidationPolicy": "WhenEmpty",
                "consolidateAfter": CONSOLIDATE_AFTER,
            },
            "limits": {
                "cpu": f"{_with_headroom(limits.cpu_millicores)}m",
                "memory": str(_with_headroom(limits.memory_bytes)),
                GPU: str(limits.gpus),
            },
        },
    )


def _requirement(key: str, *values: str) -> Manifest:
    return {"key": key, "operator": "In", "values": list(values)}


def _with_headroom(amount: int) -> int:
    return -(-amount * HEADROOM_PERCENT // 100)
