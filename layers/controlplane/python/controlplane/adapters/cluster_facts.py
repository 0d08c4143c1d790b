"""What is read of a cluster before a rollout: kinds, KServe's configuration, the Gateway, runtimes and nodes.

Headrace's own account reads it, whose few rights are in `cluster/headrace/roles.yaml`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controlplane.adapters.kserve_routes import Gateway
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.tenant_objects import collection_path
from controlplane.errors import ClusterRefusedError
from controlplane.identifiers import serving_namespace

Object = Mapping[str, Any]
DEFINITION = (
    "apis/apiextensions.k8s.io/v1/customresourcedefinitions/inferenceservices.serving.kserve.io"
)
KINDS = {
    "InferenceService": "apis/serving.kserve.io/v1beta1",
    "LLMInferenceService": "apis/serving.kserve.io/v1alpha2",
    "HTTPRoute": "apis/gateway.networking.k8s.io/v1",
    "Service": "apis/serving.knative.dev/v1",
}
# What a mode was called before KServe 0.16.
MODES = {"RawDeployment": "Standard", "Serverless": "Knative"}
DEFAULT_MODE = "Standard"
# In KServe's ConfigMap, under `inferenceService`: which annotations of an object its pods do not get.
LEFT_OUT = "serviceAnnotationDisallowedList"


@dataclass(frozen=True)
class ClusterFacts:
    """`hidden` is what our account may not read, by resource. `mode` is what KServe takes where nothing is said.

    `features` is what the Gateway's class says that it supports, None where it says nothing.
    `left_out` are the annotations that KServe does not copy from an object into its pods' template.
    """

    kinds: frozenset[str]
    has_spec_canary: bool = False
    uses_gateway_api: bool = False
    mode: str = DEFAULT_MODE
    gateway: Object | None = None
    hidden: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    features: frozenset[str] | None = None


@dataclass
class FactReader:
    """Reads, and remembers what was refused."""

    api: KubernetesApi
    hidden: set[str] = field(default_factory=set)

    def find(self, path: str, name: str) -> Object | None:
        try:
            return self.api.find(path)
        except ClusterRefusedError:
            self.hidden.add(name)
            return None

    def list(self, path: str, name: str) -> Sequence[Object]:
        try:
            return self.api.list(path, {})
        except ClusterRefusedError:
            self.hidden.add(name)
            return []


def read_facts(api: KubernetesApi, gateway: Gateway, kserve_namespace: str) -> ClusterFacts:
    reader = FactReader(api)
    kinds = {kind for kind, group in KINDS.items() if _has(reader, kind, group)}
    path = f"api/v1/namespaces/{kserve_namespace}/configmaps/inferenceservice-config"
    configuration = (reader.find(path, "configmaps") or {}).get("data") or {}
    gateways = f"apis/gateway.networking.k8s.io/v1/namespaces/{gateway[0]}/gateways"
    mode = str(_part(configuration, "deploy").get("defaultDeploymentMode") or DEFAULT_MODE)
    left_out = _part(configuration, "inferenceService").get(LEFT_OUT) or ()
    found = reader.find(f"{gateways}/{gateway[1]}", "gateways")
    return ClusterFacts(
        kinds=frozenset(kinds),
        has_spec_canary=_defines_canary(reader.find(DEFINITION, "customresourcedefinitions")),
        uses_gateway_api=_part(configuration, "ingress").get("enableGatewayApi") is True,
        mode=MODES.get(mode, mode),
        gateway=found,
        features=_features(reader, found),
        hidden=frozenset(reader.hidden),
        left_out=frozenset(map(str, left_out)),
    )


def find_runtime(api: KubernetesApi, tenant_id: str, name: str) -> Object | None:
    """The tenant's own runtime of that name before the cluster's, as KServe does."""
    group = "apis/serving.kserve.io/v1alpha1"
    own = f"{group}/namespaces/{serving_namespace(tenant_id)}/servingruntimes/{name}"
    found = api.as_deployer(tenant_id).find(own)
    return found or api.find(f"{group}/clusterservingruntimes/{name}")


def list_runtimes(api: KubernetesApi) -> frozenset[str]:
    found = FactReader(api).list(
        "apis/serving.kserve.io/v1alpha1/clusterservingruntimes", "clusterservingruntimes"
    )
    return frozenset(str(each["metadata"]["name"]) for each in found)


def list_nodes(reader: FactReader) -> tuple[Sequence[Object], Sequence[Object]]:
    """Nodes, and Karpenter's NodePools, which make more of them."""
    return reader.list("api/v1/nodes", "nodes"), reader.list(
        collection_path("NodePool"), "nodepools"
    )


def _has(reader: FactReader, kind: str, group: str) -> bool:
    """By discovery, which is open to everybody who is known to the cluster."""
    resources = (reader.find(group, group) or {}).get("resources") or []
    return any(each.get("kind") == kind for each in resources)


def _features(reader: FactReader, gateway: Object | None) -> frozenset[str] | None:
    """`status.supportedFeatures` of the class: objects with a name, and before Gateway API 1.3 names alone."""
    name = ((gateway or {}).get("spec") or {}).get("gatewayClassName")
    if not name:
        return None
    path = f"apis/gateway.networking.k8s.io/v1/gatewayclasses/{name}"
    status = (reader.find(path, "gatewayclasses") or {}).get("status") or {}
    told = status.get("supportedFeatures") or ()
    return frozenset(str(f["name"] if isinstance(f, dict) else f) for f in told) or None


def _defines_canary(definition: Object | None) -> bool:
    for version in (definition or {"spec": {}})["spec"].get("versions") or []:
        if version.get("name") == "v1beta1":
            schema = version.get("schema", {}).get("openAPIV3Schema", {})
            spec = schema.get("properties", {}).get("spec", {}).get("properties", {})
            return "canary" in spec
    return False


def _part(configuration: Mapping[str, str], name: str) -> Mapping[str, Any]:
    """One of the JSON documents in KServe's ConfigMap; empty where it is missing or cannot be read."""
    try:
        found = json.loads(configuration.get(name, "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
