"""What the objects of a tenant in the cluster have in common: their labels, and the paths of their kinds."""

from typing import Any, NamedTuple

Manifest = dict[str, Any]

MANAGED_BY = {"app.kubernetes.io/managed-by": "headrace"}
TENANT = "headrace.dev/tenant"


class Kind(NamedTuple):
    """A kind as Headrace writes it; `collection` is its path without a namespace."""

    group_version: str
    plural: str
    namespaced: bool = True

    @property
    def collection(self) -> str:
        root = "apis" if "/" in self.group_version else "api"
        return f"{root}/{self.group_version}/{self.plural}"


KINDS = {
    "Namespace": Kind("v1", "namespaces", namespaced=False),
    "ServiceAccount": Kind("v1", "serviceaccounts"),
    "RoleBinding": Kind("rbac.authorization.k8s.io/v1", "rolebindings"),
    "NetworkPolicy": Kind("networking.k8s.io/v1", "networkpolicies"),
    "ResourceQuota": Kind("v1", "resourcequotas"),
    "LimitRange": Kind("v1", "limitranges"),
    "ResourceFlavor": Kind("kueue.x-k8s.io/v1beta2", "resourceflavors", namespaced=False),
    "ClusterQueue": Kind("kueue.x-k8s.io/v1beta2", "clusterqueues", namespaced=False),
    "LocalQueue": Kind("kueue.x-k8s.io/v1beta2", "localqueues"),
    "NodePool": Kind("karpenter.sh/v1", "nodepools", namespaced=False),
    "InferenceService": Kind("serving.kserve.io/v1beta1", "inferenceservices"),
    "LLMInferenceService": Kind("serving.kserve.io/v1alpha2", "llminferenceservices"),
    "HTTPRoute": Kind("gateway.networking.k8s.io/v1", "httproutes"),
}


def tenant_labels(tenant_id: str) -> dict[str, str]:
    return MANAGED_BY | {TENANT: tenant_id}


def tenant_object(
    kind: str,
    tenant_id: str,
    name: str,
    *,
    namespace: str | None = None,
    labels: dict[str, str] | None = None,
    **fields: Any,
) -> Manifest:
    """An object of a tenant, with the labels that every one has; `fields` are spec, rules and the like."""
    metadata: Manifest = {"name": name, "labels": tenant_labels(tenant_id) | (labels or {})}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {
        "apiVersion": KINDS[kind].group_version,
        "kind": kind,
        "metadata": metadata,
        **fields,
    }


def collection_path(kind: str, namespace: str | None = None) -> str:
    """The path of a kind's objects; of all namespaces where none is named."""
    known = KINDS[kind]
    if namespace is None:
        return known.collection
    before, _, plural = known.collection.rpartition("/")
    return f"{before}/namespaces/{namespace}/{plural}"


def object_path(manifest: Manifest) -> str:
    """The path of one object, as KubernetesApi takes it."""
    metadata = manifest["metadata"]
    collection = collection_path(manifest["kind"], metadata.get("namespace"))
    return f"{collection}/{metadata['name']}"


def tenant_toleration(tenant_id: str) -> Manifest:
    """What lets a pod onto the nodes of its tenant, whose taint keeps the others' away."""
    return {"key": TENANT, "operator": "Equal", "value": tenant_id, "effect": "NoSchedule"}
