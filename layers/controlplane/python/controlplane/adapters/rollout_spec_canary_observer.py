"""What the cluster's objects say of a rollout by `spec.canary[]`."""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.adapters.cluster_paths import route_path, workload_path
from controlplane.adapters.kserve_readiness import (
    MISSING,
    available_replicas,
    find_load_failure,
    is_accepted_everywhere,
    is_written,
    observe_workload,
)
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.kubernetes_revisions import find_workload
from controlplane.adapters.rollout_changes import HELD, TRAFFIC_ROLLOUT
from controlplane.adapters.rollout_guards import mark_of, tie, tie_end
from controlplane.adapters.rollout_shared_service import STANDARD, shared_path
from controlplane.adapters.rollout_shares import percentages
from controlplane.adapters.rollout_spec_canary import predictor_name
from controlplane.errors import ClusterRefusedError
from controlplane.identifiers import route_name
from controlplane.serving.cluster_ports import ClusterChange, Transition, TransitionObservation
from controlplane.serving.ports import RevisionObservation, RevisionSpec, RevisionState

Object = Mapping[str, Any]
DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"


class SpecCanaryObserver:
    """An Observer. The InferenceService is read before the route that its controller writes first."""

    def observe(self, api: KubernetesApi, transition: Transition) -> TransitionObservation:
        service = api.find(shared_path(transition))
        if service is None:
            stable = None if transition.stable is None else MISSING
            return TransitionObservation(MISSING, stable, 0, None, settled=True)
        place = (transition.tenant_id, transition.project, transition.deployment)
        route = api.find(route_path(*place))
        weights = _weights(route, route_name(transition.project, transition.deployment))
        written = _predictor(service, transition.canary)
        canary, canary_replicas, made = _workload(api, transition, transition.canary, written)
        failure = _failure(service, transition.canary, weights, made)
        settled = _is_settled(service, route, weights)
        stable, stable_replicas = None, 0
        if transition.stable is not None:
            written = _predictor(service, transition.stable)
            stable, stable_replicas, _ = _workload(api, transition, transition.stable, written)
        shares = percentages(weights)
        return TransitionObservation(
            canary=failure or canary,
            stable=stable,
            canary_percent=_share(shares, transition.canary) if settled else None,
            stable_percent=_share(shares, transition.stable)
            if settled and transition.stable
            else None,
            settled=settled,
            stable_replicas=stable_replicas,
            canary_replicas=canary_replicas,
            mark=mark_of(service, transition),
            asked_percent=_asked(service).get(predictor_name(transition.canary), 0),
        )

    def stable_replicas(self, api: KubernetesApi, transition: Transition) -> int:
        """What it had when the rollout began: it asks for more since."""
        if transition.stable is None:
            return 0
        annotations = (api.find(shared_path(transition)) or {"metadata": {}})["metadata"].get(
            "annotations"
        ) or {}
        if annotations.get(TRAFFIC_ROLLOUT) == transition.rollout_id and HELD in annotations:
            return int(annotations[HELD])
        name = _workload_name(transition, transition.stable)
        found = api.find(workload_path(transition.tenant_id, name))
        return int((found or {}).get("spec", {}).get("replicas", 0))

    def guard_end(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        path = shared_path(transition)
        return tie_end(changes, api.find(path), path, transition)

    def guard(
        self, api: KubernetesApi, transition: Transition, changes: Sequence[ClusterChange]
    ) -> Sequence[ClusterChange]:
        service = api.find(shared_path(transition))
        if service is None:
            return changes
        annotations = service["metadata"].get("annotations") or {}
        if annotations.get(DEPLOYMENT_MODE) != STANDARD:
            raise ClusterRefusedError(
                f"{service['metadata']['name']} is not annotated as {STANDARD}, without which it can have no canary",
                remedy="Delete the deployment and create it anew.",
            )
        first, *rest = tie(changes, service, shared_path(transition), transition)
        # Only the first write is tied: it is the one that makes the object another.
        return [first, *changes[len(changes) - len(rest) :]]


def _predictor(service: Object, spec: RevisionSpec) -> Object:
    """What is written of a revision: the predictor's own, or an entry's; empty where neither is."""
    entries = service["spec"].get("canary") or []
    predictors: list[Object] = [service["spec"]["predictor"], *(e["predictor"] for e in entries)]
    name = predictor_name(spec)
    return next((each for each in predictors if each.get("name") == name), {})


def _failure(
    service: Object, canary: RevisionSpec, weights: Mapping[str, int], made: bool
) -> RevisionObservation | None:
    """`made`: its Deployment is made of what was written last."""
    name = predictor_name(canary)
    statuses = service.get("status", {}).get("canaryStatuses") or []
    status = next((each for each in statuses if each.get("name") == name), None)
    if status is None:
        of_service = service.get("status", {}).get("modelStatus", {})
        return find_load_failure(of_service, made) if _is_stable(service, name) else None
    failure = find_load_failure(status.get("modelStatus") or {}, made)
    if failure is not None:
        return failure
    if status.get("ready") and status.get("trafficPercent") and name not in weights:
        return RevisionObservation(
            RevisionState.FAILED,
            "WeightsMissing",
            "KServe calls the canary ready, and gives it no weight in the HTTPRoute",
        )
    return None


def _is_stable(service: Object, name: str) -> bool:
    return bool(service["spec"]["predictor"].get("name") == name)


def _is_settled(service: Object, route: Object | None, weights: Mapping[str, int]) -> bool:
    """Whether the route has the weights that are asked for, and the gateway has taken them over."""
    if route is None or not is_accepted_everywhere(route):
        return False
    shares = percentages(weights)
    return all(shares.get(name, 0) == percent for name, percent in _asked(service).items())


def _asked(service: Object) -> dict[str, int]:
    """The shares that the object asks for, by predictor name."""
    wanted = {
        str(entry["predictor"]["name"]): int(entry["trafficPercent"])
        for entry in service["spec"].get("canary") or []
    }
    wanted[str(service["spec"]["predictor"].get("name", ""))] = 100 - sum(wanted.values())
    return wanted


def _weights(route: Object | None, service: str) -> dict[str, int]:
    """Weights of the route that KServe writes, by predictor name."""
    found: dict[str, int] = {}
    for rule in (route or {"spec": {}})["spec"].get("rules") or []:
        for backend in rule.get("backendRefs") or []:
            name = str(backend["name"]).removeprefix(service).removesuffix("-predictor")
            found[name.removeprefix("-")] = int(backend.get("weight", 1))
    return found


def _share(shares: Mapping[str, int], spec: RevisionSpec) -> int:
    return shares.get(predictor_name(spec), 0)


def _workload(
    api: KubernetesApi, transition: Transition, spec: RevisionSpec, predictor: Object
) -> tuple[RevisionObservation, int, bool]:
    """How it is, its replicas, and whether its Deployment is made of the predictor."""
    name = _workload_name(transition, spec)
    deployment, slices = find_workload(api, transition.tenant_id, name)
    observed = observe_workload(predictor, deployment, slices)
    return observed, available_replicas(deployment), is_written(predictor, deployment)


def _workload_name(transition: Transition, spec: RevisionSpec) -> str:
    service = route_name(transition.project, transition.deployment)
    return f"{service}-{predictor_name(spec)}-predictor"
