"""What the cluster's objects say of a rollout behind our own HTTPRoute."""

from collections.abc import Sequence

from controlplane.adapters.cluster_paths import route_path, service_path, workload_path
from controlplane.adapters.kserve_readiness import (
    available_replicas,
    is_route_settled,
    observe,
)
from controlplane.adapters.kserve_routes import Gateway, weights_of
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.kubernetes_revisions import find_workload
from controlplane.adapters.rollout_guards import mark_of, tie, tie_end
from controlplane.adapters.rollout_shares import percentages
from controlplane.serving.cluster_ports import (
    ClusterChange,
    Transition,
    TransitionObservation,
)
from controlplane.serving.ports import RevisionObservation


class RouteObserver:
    """An Observer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def observe(self, api: KubernetesApi, transition: Transition) -> TransitionObservation:
        canary, canary_replicas = _revision(api, transition.tenant_id, transition.canary.name)
        stable, stable_replicas = None, 0
        if transition.stable is not None:
            stable, stable_replicas = _revision(api, transition.tenant_id, transition.stable.name)
        route = api.find(_path(transition))
        settled = route is None or is_route_settled(route, self._gateway)
        shares = percentages(weights_of(route)) if route else {}
        return TransitionObservation(
            canary=canary,
            stable=stable,
            canary_percent=shares.get(transition.canary.name, 0) if settled else None,
            stable_percent=shares.get(transition.stable.name, 0)
            if settled and transition.stable
            else None,
            settled=settled,
            stable_replicas=stable_replicas,
            canary_replicas=canary_replicas,
            mark=mark_of(route, transition),
            routed=route is not None,
            asked_percent=shares.get(transition.canary.name, 0) if route else None,
        )

    def stable_replicas(self, api: KubernetesApi, transition: Transition) -> int:
        if transition.stable is None:
            return 0
        name = f"{transition.stable.name}-predictor"
        found = api.find(workload_path(transition.tenant_id, name))
        return int((found or {}).get("spec", {}).get("replicas", 0))

    def guard_end(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        path = _path(transition)
        return tie_end(changes, api.find(path), path, transition)

    def guard(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        """A write of the route holds only for the route that was read, and never after the rollout's last one.

        So one that was held up on its way cannot bring a canary back that was rolled back meanwhile.
        """
        path = _path(transition)
        if all(change.path != path for change in changes):
            return changes
        return tie(changes, api.find(path), path, transition)


def _revision(api: KubernetesApi, tenant_id: str, name: str) -> tuple[RevisionObservation, int]:
    service = api.find(service_path(tenant_id, name))
    if service is None:
        return observe(None, None, []), 0
    deployment, slices = find_workload(api, tenant_id, f"{name}-predictor")
    return observe(service, deployment, slices), available_replicas(deployment)


def _path(transition: Transition) -> str:
    return route_path(transition.tenant_id, transition.project, transition.deployment)
