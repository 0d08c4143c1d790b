"""The two namespaces of a tenant, and what their labels tell about how its models are to run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.adapters.tenant_objects import Manifest, tenant_object
from controlplane.identifiers import runs_namespace, serving_namespace
from controlplane.limits import Isolation, TenantPlan

ISOLATION = "headrace.dev/isolation"
# An annotation of the serving namespace while a suspended tenant's models are stopped.
SERVING_STOPPED = "headrace.dev/serving-stopped"

_POD_SECURITY = "pod-security.kubernetes.io"
_LEVELS = ("enforce", "audit", "warn")


@dataclass(frozen=True)
class Placement:
    """Whether a tenant's models run on nodes of its own, and whether they are to run at all."""

    dedicated: bool = False
    stopped: bool = False


def namespaces(plan: TenantPlan) -> list[Manifest]:
    """`tenant-<id>` for models, and `tenant-<id>-runs` for pipelines, whose stock pods are not `restricted`."""
    return [
        _namespace(plan, serving_namespace(plan.tenant_id), "restricted"),
        _namespace(plan, runs_namespace(plan.tenant_id), "baseline"),
    ]


def placement(namespace: Mapping[str, Any]) -> Placement:
    """How models run in a serving namespace that was read from the cluster."""
    metadata = namespace["metadata"]
    return Placement(
        dedicated=metadata.get("labels", {}).get(ISOLATION) == Isolation.DEDICATED,
        stopped=metadata.get("annotations", {}).get(SERVING_STOPPED) == "true",
    )


def _namespace(plan: TenantPlan, name: str, level: str) -> Manifest:
    security = {f"{_POD_SECURITY}/{mode}": level for mode in _LEVELS}
    return tenant_object(
        "Namespace",
        plan.tenant_id,
        name,
        labels=security | {ISOLATION: plan.isolation.value},
    )
