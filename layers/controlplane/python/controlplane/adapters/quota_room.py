"""Whether a tenant's ResourceQuota has room for a canary beside the stable revision."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from controlplane.adapters.cluster_paths import llm_path, service_path, workload_path
from controlplane.adapters.kserve_predictors import gpus_of, resources, scaling
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.rollout_changes import Surroundings
from controlplane.adapters.tenant_objects import collection_path
from controlplane.adapters.tenant_quotas import DEFAULT_LIMITS, DEFAULT_REQUESTS, GPU
from controlplane.identifiers import serving_namespace
from controlplane.reasons import Reason
from controlplane.serving.cluster_ports import Mechanism, Transition
from controlplane.serving.ports import RevisionSpec

Object = Mapping[str, Any]
Amounts = dict[str, Decimal]


def find_shortages(
    api: KubernetesApi, transition: Transition, around: Surroundings, runtime: Object | None
) -> Iterator[Reason]:
    """What of the quota is too small, each resource once. `api` speaks for the tenant's own account."""
    if transition.mechanism is Mechanism.KNATIVE:
        return  # Knative sizes by requests; what it will take cannot be known
    quotas = api.list(collection_path("ResourceQuota", serving_namespace(transition.tenant_id)), {})
    needed = _needed(api, transition, around, runtime)
    for quota in quotas:
        status = quota.get("status") or {}
        for name, hard in (status.get("hard") or quota["spec"].get("hard") or {}).items():
            free = parse_quantity(hard) - parse_quantity((status.get("used") or {}).get(name, "0"))
            wanted = needed.get(name, Decimal(0))
            # A quota may be overdrawn, once it was lowered: that is no shortage for what needs nothing of it.
            if wanted > max(free, Decimal(0)):
                yield _shortage(name, wanted, free)


def _shortage(name: str, needed: Decimal, free: Decimal) -> Reason:
    left = _shown(max(free, Decimal(0)))
    return Reason(
        code="QuotaExceeded",
        message=f"beside what runs, the canary needs {_shown(needed)} of {name}, and {left} are left",
        remedy="Ask for fewer or smaller replicas, delete what is not needed, or let the tenant's limits be raised.",
    )


def _shown(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _needed(
    api: KubernetesApi, transition: Transition, around: Surroundings, runtime: Object | None
) -> Amounts:
    spec = transition.canary
    replicas = int(scaling(spec.settings.autoscaling, around.floor)["minReplicas"])
    wanted = replicas
    if transition.mechanism is Mechanism.SPEC_CANARY and transition.stable is not None:
        wanted *= 2  # the stable predictor asks for as many more until the canary is ready
    found = _object(api, transition)
    more = max(0, wanted - _running(api, transition))
    needed = {name: amount * more for name, amount in _per_replica(spec, runtime).items()}
    kind = (
        "llminferenceservices" if transition.mechanism is Mechanism.GROUP else "inferenceservices"
    )
    needed[f"count/{kind}.serving.kserve.io"] = Decimal(0 if found else 1)
    return needed


def _object(api: KubernetesApi, transition: Transition) -> Object | None:
    """What the canary lives in, when it is there already: kept from before, or by a try that was broken off."""
    tenant_id, name = transition.tenant_id, transition.canary.name
    if transition.mechanism is Mechanism.GROUP:
        return api.find(llm_path(tenant_id, name))
    if transition.mechanism is Mechanism.SPEC_CANARY:
        name = name.rpartition("--")[0]
    return api.find(service_path(tenant_id, name))


def _running(api: KubernetesApi, transition: Transition) -> int:
    name = f"{transition.canary.name}-predictor"
    if transition.mechanism is not Mechanism.ROUTE:
        return 0
    found = api.find(workload_path(transition.tenant_id, name)) or {}
    return int(found.get("status", {}).get("replicas", 0))


def _per_replica(spec: RevisionSpec, runtime: Object | None) -> Amounts:
    """As the pod will be admitted: our own fields over the runtime's, and the namespace's defaults for the rest."""
    containers = ((runtime or {}).get("spec") or {}).get("containers") or [{}]
    base = containers[0].get("resources") or {}
    own = resources(spec.settings.resources, gpus_of(spec))
    requests = {**DEFAULT_REQUESTS, **(base.get("requests") or {}), **own.get("requests", {})}
    limits = {**DEFAULT_LIMITS, **(base.get("limits") or {}), **own.get("limits", {})}
    needed = {f"requests.{name}": parse_quantity(requests[name]) for name in ("cpu", "memory")}
    needed["limits.memory"] = parse_quantity(limits["memory"])
    needed["pods"] = Decimal(1)
    needed[f"requests.{GPU}"] = Decimal(gpus_of(spec))
    return needed
