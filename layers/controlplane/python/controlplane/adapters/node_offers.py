"""Whether a cluster has, or can bring, nodes with certain GPUs."""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.adapters.kserve_predictors import GPU_TYPE
from controlplane.adapters.tenant_objects import TENANT
from controlplane.adapters.tenant_quotas import GPU

Object = Mapping[str, Any]
CATEGORY = "karpenter.k8s.aws/instance-category"
# AWS' families with NVIDIA GPUs.
GPU_CATEGORIES = frozenset({"g", "p"})


def offers_gpus(
    nodes: Sequence[Object], pools: Sequence[Object], kind: str | None, tenant: str | None
) -> bool:
    """`kind` is a GPU's name such as `l4`, None for any; `tenant` the one that has nodes of its own, if it has."""
    return any(_node_offers(node, kind, tenant) for node in nodes) or any(
        _pool_offers(pool, kind, tenant) for pool in pools
    )


def _node_offers(node: Object, kind: str | None, tenant: str | None) -> bool:
    labels = node["metadata"].get("labels") or {}
    if labels.get(TENANT) != tenant:
        return False
    count = str((node.get("status", {}).get("allocatable") or {}).get(GPU, "0"))
    return count != "0" and kind in (None, labels.get(GPU_TYPE))


def _pool_offers(pool: Object, kind: str | None, tenant: str | None) -> bool:
    template = pool["spec"].get("template", {})
    if (template.get("metadata", {}).get("labels") or {}).get(TENANT) != tenant:
        return False
    if str((pool["spec"].get("limits") or {}).get(GPU, "")) == "0":
        return False
    requirements = template.get("spec", {}).get("requirements") or []
    categories = _allows_any(requirements, CATEGORY, GPU_CATEGORIES)
    return categories and (kind is None or _allows_any(requirements, GPU_TYPE, frozenset({kind})))


def _allows_any(requirements: Sequence[Object], key: str, values: frozenset[str]) -> bool:
    """Whether some of the values meet all that is required of the label. What is not spoken of is not forbidden."""
    left = set(values)
    for requirement in requirements:
        if requirement.get("key") != key:
            continue
        named = set(requirement.get("values") or [])
        match requirement.get("operator"):
            case "In":
                left &= named
            case "NotIn":
                left -= named
            case "DoesNotExist":
                left.clear()
    return bool(left)
