"""What the cluster's objects say of a rollout within a routing group of LLMInferenceServices.

No object stands for the group, and no write reaches two of its members. So a rollout begins by marking all of them as
its own: whatever an earlier one still has on its way, to any of them, is refused from then on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from controlplane.adapters.cluster_paths import llm_path, workload_path
from controlplane.adapters.kserve_manifests import deployment_labels
from controlplane.adapters.kserve_readiness import (
    MISSING,
    available_replicas,
    is_rolled_out,
    is_stopped,
    progressing,
)
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.rollout_group import MAIN, PODS_VARIABLE, taken_over
from controlplane.adapters.rollout_guards import is_a_later_ones, mark_of, tie, tie_end
from controlplane.adapters.rollout_shares import percentages
from controlplane.adapters.tenant_objects import collection_path
from controlplane.errors import ClusterRefusedError, ConcurrentChangeError
from controlplane.identifiers import serving_namespace
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
            asked_percent=_asked(canary, stable),
        )

    def stable_replicas(self, api: KubernetesApi, transition: Transition) -> int:
        if transition.stable is None:
            return 0
        found = api.find(llm_path(transition.tenant_id, transition.stable.name))
        return int((found or {}).get("spec", {}).get("replicas", 0))

    def guard_end(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        for path in _paths(transition):
            changes = tie_end(changes, api.find(path), path, transition)
        return changes

    def guard(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        canary, *_ = _paths(transition)
        begins = any((change.verb, change.path) == ("apply", canary) for change in changes)
        written = {change.path for change in changes}
        for path in _paths(transition):
            found = api.find(path) if path in written else None
            if found is None:
                continue
            if path == canary:
                _refuse_degraded(found)
            _refuse_late(found, transition)
            changes = tie(changes, found, path, transition)
        return [*_take_over(api, transition), *changes] if begins else changes


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
    if deployment is not None and not _is_written(service, deployment):
        return progressing("its Deployment is still the one of before"), 0
    if deployment is None or not is_rolled_out(deployment):
        available = available_replicas(deployment)
        waiting = progressing("its Deployment is not rolled out yet")
        return replace(waiting, serves=available > 0), available
    return RevisionObservation(RevisionState.READY), available_replicas(deployment)


def _is_written(service: Object, deployment: Object) -> bool:
    """Whether the Deployment is made of the template as it was written last, where that tells what it is made of."""
    wanted = _told(service["spec"].get("template") or {})
    template = deployment["spec"].get("template") or {}
    return wanted is None or _told(template.get("spec") or {}) == wanted


def _told(pod: Object) -> str | None:
    containers = pod.get("containers") or []
    variables = [each for c in containers if c["name"] == MAIN for each in c.get("env") or []]
    return next((str(v["value"]) for v in variables if v["name"] == PODS_VARIABLE), None)


def _paths(transition: Transition) -> list[str]:
    """Of the canary first, and of the stable member where there is one."""
    members = filter(None, (transition.canary, transition.stable))
    return [llm_path(transition.tenant_id, spec.name) for spec in members]


def _take_over(api: KubernetesApi, transition: Transition) -> list[ClusterChange]:
    """The members that earlier rollouts left: beside a stable one they get nothing."""
    collection = collection_path("LLMInferenceService", serving_namespace(transition.tenant_id))
    labels = deployment_labels(transition.tenant_id, transition.project, transition.deployment)
    own = [spec.name for spec in (transition.canary, transition.stable) if spec]
    weight = 0 if transition.stable else None
    changes: list[ClusterChange] = []
    for member in api.list(collection, labels):
        name = str(member["metadata"]["name"])
        if name in own or mark_of(member, transition):
            continue
        _refuse_late(member, transition)
        change = taken_over(transition, name, weight)
        changes += tie([change], member, change.path, transition)
    return changes


def _refuse_late(found: Object, transition: Transition) -> None:
    if is_a_later_ones(found, transition):
        raise ConcurrentChangeError(
            f"a later rollout has taken over the traffic of {found['metadata']['name']}"
        )


def _refuse_degraded(service: Object) -> None:
    degraded = _degraded(service)
    if degraded is not None:
        raise ClusterRefusedError(
            f"the routing group is degraded ({degraded.reason}): {degraded.message}",
            remedy="Give all members the same model name and the same LoRA adapters.",
        )


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


def _asked(canary: Object | None, stable: Object | None) -> int | None:
    """The canary's share as both members are written."""
    if canary is None or stable is None:
        return None
    mine, other = (int(s["spec"]["router"]["route"].get("weight", 1)) for s in (canary, stable))
    return round(100 * mine / (mine + other)) if mine else 0


def _is_settled(services: Sequence[Object], members: Mapping[str, int]) -> bool:
    """Whether the group's route has the weight of each member as it is written."""
    return all(
        members.get(service["metadata"]["name"])
        == (0 if is_stopped(service) else service["spec"]["router"]["route"].get("weight", 1))
        for service in services
    )
