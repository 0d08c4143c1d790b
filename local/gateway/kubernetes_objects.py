"""What the gateway's pure logic knows of Kubernetes: plain objects, and snapshots of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A Kubernetes object as its JSON is parsed.
KubernetesObject = dict[str, Any]
# (namespace, name); the namespace is empty for objects that have none.
ObjectKey = tuple[str, str]
Objects = Mapping[ObjectKey, KubernetesObject]

GATEWAY_GROUP = "gateway.networking.k8s.io"
GATEWAY_CLASS = "headrace"
CONTROLLER_NAME = "headrace.dev/gateway"
# The header by which a backendRef says which revision of a deployment it is.
REVISION_HEADER = "x-headrace-revision"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All objects that routing depends on, as last seen."""

    routes: Objects = field(default_factory=dict)
    gateways: Objects = field(default_factory=dict)
    services: Objects = field(default_factory=dict)
    endpoint_slices: Objects = field(default_factory=dict)
    namespaces: Objects = field(default_factory=dict)
    reference_grants: Objects = field(default_factory=dict)


def key_of(item: KubernetesObject) -> ObjectKey:
    """Return the key of an object."""
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def generation_of(item: KubernetesObject) -> int:
    """Return the generation of an object's spec; 0 where the API server keeps none."""
    return int(item["metadata"].get("generation") or 0)
