"""What the cluster's objects say of a rollout within a routing group of LLMInferenceServices."""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.adapters.cluster_paths import llm_path, workload_path
from controlplane.adapters.kserve_readiness import (
    MISSING,
    available_replicas,
    is_rolled_out,
    is_stopped,
    progressing,
)
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.rollout_guards import mark_of, tie, tie_end
from controlplane.adapters.rollout_shares import percentages
from controlplane.errors import ClusterRefusedError
from controlplane.serving.cluster_ports import ClusterChange, Transition, TransitionObservation
from controlplane.serving.ports import RevisionObservation, RevisionState

Object = Mapping[str, Any]


class GroupObserver:
    """An Observer."""

    def observe(self, api: KubernetesApi, transition: Transition) -> TransitionObservation:
        tenant_id = transition.tenant_id
        canary = api.find(llm_path(tenant_id, transition.canary.name))
        stable_name = transition.stable.name if transition.stable else ""
        stable = api.find(llm_path(tenant_id, stable_name)) if stable_name else None
        members = _members(canary)
        settled = canary is None or _is_settled(
            [each for each in (canary, stable) if each], members
        )
        shares = percentages(members)
        of_canary, canary_replicas = observe_member(api, tenant_id, canary)
        of_stable, stable_replicas = observe_member(api, tenant_id, stable)
        return TransitionObservation(
            canary=of_canary,
            stable=of_stable if stable_name else None,
            canary_percent=shares.get(transition.canary.name, 0) if settled else None,
            stable_percent=shares.get(stable_name, 0) if settled and stable_name else None,
            settled=settled,
            stable_replicas=stable_replicas,
            canary_replicas=canary_replicas,
            mark=mark_of(canary, transition),
        )

    def stable_replicas(self, api: KubernetesApi, transition: Transition) -> int:
        if transition.stable is None:
            return 0
        found = api.find(llm_path(transition.tenant_id, transition.stable.name))
        return int((found or {}).get("spec", {}).get("replicas", 0))

    def guard_end(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        path = llm_path(transition.tenant_id, transition.canary.name)
        return tie_end(changes, api.find(path), path, transition)

    def guard(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        path = llm_path(transition.tenant_id, transition.canary.name)
        canary = api.find(path)
        if canary is None:
            return changes
        degraded = _degraded(canary)
        if degraded is not None:
            raise ClusterRefusedError(
                f"the routing group is degraded ({degraded.reason}): {degraded.message}",
                remedy="Give all members the same model name and the same LoRA adapters.",
            )
        return tie(changes, canary, path, transition)


def observe_member(
    api: KubernetesApi, tenant_id: str, service: Object | None
) -> tuple[RevisionObservation, int]:
    """Readiness is the Deployment's own, which the object names."""
    if service is None:
        return MISSING, 0
    degraded = _degraded(service)
    if degraded is not None:
        return degraded, 0
    if is_stopped(service):
        return progressing("it is stopped and has no pods", "Stopped"), 0
    primary = service.get("status", {}).get("workloads", {}).get("primary") or {}
    if primary.get("kind") != "Deployment":
        return progressing("its Deployment is not there yet"), 0
    deployment = api.find(workload_path(tenant_id, primary["name"]))
    if deployment is None or not is_rolled_out(deployment):
        return progressing("its Deployment is not rolled out yet"), available_replicas(deployment)
    return RevisionObservation(RevisionState.READY), available_replicas(deployment)


def _degraded(service: Object) -> RevisionObservation | None:
    for condition in service.get("status", {}).get("conditions") or []:
        if condition.get("type") == "GroupDegraded" and condition.get("status") == "True":
            reason, message = condition.get("reason", ""), condition.get("message", "")
            return RevisionObservation(RevisionState.FAILED, reason or "GroupDegraded", message)
    return None


def _members(service: Object | None) -> dict[str, int]:
    group = (service or {}).get("status", {}).get("router", {}).get("group", {})
    return {
        str(member["name"]): 0 if member.get("stopped") else int(member["weight"])
        for member in group.get("members") or []
    }


def _is_settled(services: Sequence[Object], members: Mapping[str, int]) -> bool:
    """Whether the group's route has the weight of each member as it is written."""
    return all(
        members.get(service["metadata"]["name"])
        == (0 if is_stopped(service) else service["spec"]["router"]["route"].get("weight", 1))
        for service in services
    )
