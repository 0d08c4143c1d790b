"""What runs in a revision's pods: the same for each way of splitting traffic."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from controlplane.adapters.tenant_access import MODELS
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.adapters.tenant_objects import TENANT, tenant_toleration
from controlplane.adapters.tenant_quotas import GPU
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.settings import Autoscaling, Resources

# What Pod Security's level `restricted` demands of a pod and of its container.
POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
# Karpenter's label of a node's GPUs, such as `l4` (karpenter.sh, "Well-known labels").
GPU_TYPE = "karpenter.k8s.aws/instance-gpu-name"
# A pod that goes still answers while the gateway learns that it is gone, and then ends what it has begun.
DRAIN_SECONDS = 5
# On the pods' template: which fields they were made of. It changes with those, and with nothing else.
PODS = "headrace.dev/pods"
SHARED = Placement()


def predictor(spec: RevisionSpec, where: Placement = SHARED) -> dict[str, Any]:
    """`spec.predictor` without its size: see `scaling`.

    `lifecycle.preStop.sleep` is Kubernetes' own since 1.30, so that no image needs a shell for it. KServe copies the
    annotations into the template of the pods (`components/predictor.go`), where `PODS` tells which ones are meant.
    """
    told = {"annotations": {PODS: fingerprint(_predictor(spec, SHARED))}}
    return told | _predictor(spec, where)


def fingerprint(fields: Mapping[str, Any]) -> str:
    """The same for the same fields, of whichever rollout they are: 16 hexadecimal digits.

    Without the nodes of a tenant's own, to which running pods are brought apart from any rollout (`placing`).
    """
    content = json.dumps(fields, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _predictor(spec: RevisionSpec, where: Placement) -> dict[str, Any]:
    model = spec.runtime.protocol
    environment = spec.runtime.environment(spec.deployment)
    arguments = spec.runtime.arguments(spec.deployment)
    return {
        "serviceAccountName": MODELS,
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": grace_seconds(spec),
        **placed(spec, where),
        "model": {
            "modelFormat": {"name": spec.runtime.model_format},
            "runtime": spec.runtime.name,
            **({"protocolVersion": model} if model else {}),
            "storageUri": spec.version.uri,
            **({"args": arguments} if arguments else {}),
            **({"env": variables(environment)} if environment else {}),
            **container_fields(spec),
        },
    }


def container_fields(spec: RevisionSpec) -> dict[str, Any]:
    """What every model's container has, whichever kind of object it is in."""
    wanted = resources(spec.settings.resources, spec.runtime.gpus)
    return {
        "securityContext": CONTAINER_SECURITY,
        "lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_SECONDS}}},
        **({"resources": wanted} if wanted else {}),
    }


def grace_seconds(spec: RevisionSpec) -> int:
    """How long a pod may take to end what it has begun, after it was told to go."""
    return DRAIN_SECONDS + max(30, spec.settings.rollout.termination_wait_seconds)


def variables(environment: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in environment.items()]


def gpus_of(spec: RevisionSpec) -> int:
    """GPUs of each replica: what the settings say, else what the runtime cannot do without."""
    return spec.settings.resources.gpus or spec.runtime.gpus


def resources(wanted: Resources, gpus: int = 0) -> dict[str, Any]:
    """Requests and limits of one replica. Memory is limited to what is asked for, CPU is not limited.

    GPUs cannot be overcommitted: Kubernetes wants request and limit to be the same.
    """
    asked = {
        name: value for name, value in (("cpu", wanted.cpu), ("memory", wanted.memory)) if value
    }
    limits = {"memory": wanted.memory} if wanted.memory else {}
    count = wanted.gpus or gpus
    if count:
        asked[GPU] = limits[GPU] = str(count)
    found = {"requests": asked, "limits": limits}
    return {name: value for name, value in found.items() if value}


def scaling(wanted: Autoscaling, floor: int = 0, *, least: int = 1) -> dict[str, Any]:
    """Bounds and target. In Standard mode nothing wakes a model that has no pods, so that it keeps one (`least`).

    `floor` keeps the size up during a rollout, within the upper bound.
    """
    return {
        "minReplicas": min(max(wanted.min_replicas, floor, least), wanted.max_replicas),
        "maxReplicas": wanted.max_replicas,
        "scaleMetric": wanted.metric.value,
        "scaleTarget": wanted.target,
    }


def placed(spec: RevisionSpec, where: Placement) -> dict[str, Any]:
    """On which nodes it may and must run: the tenant's own if it has any, and those with its GPUs."""
    selector: dict[str, str] = {}
    tolerations: list[dict[str, Any]] = []
    if where.dedicated:
        selector[TENANT] = spec.tenant_id
        tolerations.append(tenant_toleration(spec.tenant_id))
    if gpus_of(spec):
        tolerations.append({"key": GPU, "operator": "Exists", "effect": "NoSchedule"})
    if spec.settings.resources.gpu_type:
        selector[GPU_TYPE] = spec.settings.resources.gpu_type
    found = {"nodeSelector": selector, "tolerations": tolerations}
    return {name: value for name, value in found.items() if value}


def placing(pods: Mapping[str, Any], tenant_id: str, *, dedicated: bool) -> dict[str, Any]:
    """The merge patch that brings pods to their tenant's own nodes, or off them; empty when they are there."""
    own = tenant_toleration(tenant_id)
    others = [each for each in pods.get("tolerations") or [] if each.get("key") != TENANT]
    tolerations = [own, *others] if dedicated else others
    change: dict[str, Any] = {}
    if (pods.get("tolerations") or []) != tolerations:
        change["tolerations"] = tolerations or None
    selector = {k: v for k, v in (pods.get("nodeSelector") or {}).items() if k != TENANT}
    if dedicated and (pods.get("nodeSelector") or {}).get(TENANT) != tenant_id:
        change["nodeSelector"] = {TENANT: tenant_id}
    if not dedicated and TENANT in (pods.get("nodeSelector") or {}):
        change["nodeSelector"] = {TENANT: None} if selector else None
    return change
