"""The cluster's objects as Headrace writes them: InferenceService and HTTPRoute.

Every list in them is atomic, so an object is always written whole.
"""

from collections.abc import Mapping
from typing import Any

from controlplane.adapters.tenant_access import MODELS
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.adapters.tenant_objects import TENANT, tenant_labels, tenant_toleration
from controlplane.identifiers import revision_name, route_name, serving_namespace
from controlplane.serving.ports import RevisionSpec

DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"
VISIBILITY = "networking.kserve.io/visibility"
STOP = "serving.kserve.io/stop"
# Beside STOP on what was stopped with its tenant, so that it is started again with it, and nothing else.
SUSPENDED = "headrace.dev/suspended"
ROLLOUT = "headrace.dev/rollout"
REVISION_HEADER = "x-headrace-revision"
PREDICTOR_PORT = 80
# What Pod Security's level `restricted` demands of a pod and of its container.
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SHARED = Placement()
SUSPENSION = {STOP: "true", SUSPENDED: "true"}


def inference_service(spec: RevisionSpec, where: Placement = SHARED) -> dict[str, Any]:
    """One revision: Standard mode, and cluster-local so that KServe makes no route of its own.

    The annotation of the rollout changes with each, so that an object that was taken up again is told from one
    that was left to retire.
    """
    version = spec.version
    name = revision_name(spec.project, spec.deployment, version.number)
    labels = _labels(spec.tenant_id, spec.project, spec.deployment)
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": serving_namespace(spec.tenant_id),
            "labels": labels
            | {"headrace.dev/version": str(version.number), VISIBILITY: "cluster-local"},
            "annotations": {
                DEPLOYMENT_MODE: "Standard",
                ROLLOUT: spec.rollout_id,
                **(SUSPENSION if where.stopped else {}),
            },
        },
        "spec": {
            "predictor": {
                "serviceAccountName": MODELS,
                "minReplicas": 1,
                "securityContext": POD_SECURITY,
                **(own_nodes(spec.tenant_id) if where.dedicated else {}),
                "model": {
                    "modelFormat": {"name": spec.runtime.model_format},
                    "runtime": spec.runtime.name,
                    "storageUri": version.uri,
                    "args": spec.runtime.arguments(spec.deployment),
                    "securityContext": CONTAINER_SECURITY,
                },
            }
        },
    }


def own_nodes(tenant_id: str) -> dict[str, Any]:
    """The fields of a predictor that runs on its tenant's own nodes and nowhere else."""
    return {"nodeSelector": {TENANT: tenant_id}, "tolerations": [tenant_toleration(tenant_id)]}


def http_route(
    tenant_id: str,
    project: str,
    deployment: str,
    weights: Mapping[str, int],
    gateway: tuple[str, str],
) -> dict[str, Any]:
    """The route of a deployment; `gateway` is the Gateway's namespace and name.

    The header filter on every backend keeps Envoy Gateway from merging the backends of a rule into one cluster,
    whose metrics could not be told apart (envoyproxy/gateway#6742).
    """
    namespace = serving_namespace(tenant_id)
    name = route_name(project, deployment)
    rewrite = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": _labels(tenant_id, project, deployment),
        },
        "spec": {
            "parentRefs": [
                {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "namespace": gateway[0],
                    "name": gateway[1],
                }
            ],
            "rules": [
                {
                    "matches": [
                        {"path": {"type": "PathPrefix", "value": f"/serving/{namespace}/{name}"}}
                    ],
                    "filters": [{"type": "URLRewrite", "urlRewrite": {"path": rewrite}}],
                    "backendRefs": [
                        _backend(revision, weight) for revision, weight in weights.items()
                    ],
                }
            ],
        },
    }


def weights_of(route: Mapping[str, Any]) -> dict[str, int]:
    """Revision names and weights of a route; a weight that is not written is 1 (Gateway API)."""
    return {
        str(backend["name"]).removesuffix("-predictor"): int(backend.get("weight", 1))
        for rule in route["spec"].get("rules", [])
        for backend in rule.get("backendRefs", [])
    }


def _backend(revision: str, weight: int) -> dict[str, Any]:
    header = {"name": REVISION_HEADER, "value": revision}
    return {
        "group": "",
        "kind": "Service",
        "name": f"{revision}-predictor",
        "port": PREDICTOR_PORT,
        "weight": weight,
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}}],
    }


def _labels(tenant_id: str, project: str, deployment: str) -> dict[str, str]:
    return tenant_labels(tenant_id) | {
        "headrace.dev/project": project,
        "headrace.dev/deployment": deployment,
    }
