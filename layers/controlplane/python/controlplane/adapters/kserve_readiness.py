"""How a revision is, read from the objects that cannot lie about it.

`Ready` of an InferenceService stays True while it progresses and its `observedGeneration` is a child's, so only
what KServe says about the model's loading is taken from it; readiness is the Deployment's own and the Service's
ready endpoints. And a Deployment counts once its template is made of what was written last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from controlplane.adapters.kserve_manifests import STOP
from controlplane.adapters.kserve_predictors import PODS
from controlplane.adapters.kserve_routes import Gateway, parent_of
from controlplane.serving.ports import RevisionObservation, RevisionState

Object = Mapping[str, Any]

INVALID = "InvalidSpec"
BROKEN = frozenset({"BlockedByFailedLoad", INVALID})


def observe(
    service: Object | None, deployment: Object | None, slices: Sequence[Object]
) -> RevisionObservation:
    """The state of a revision from its InferenceService, its Deployment and its Service's EndpointSlices."""
    if service is None:
        return MISSING
    predictor = service.get("spec", {}).get("predictor", {})
    failure = find_load_failure(
        service.get("status", {}).get("modelStatus", {}), is_written(predictor, deployment)
    )
    if failure is not None:
        return failure
    if is_stopped(service):
        return RevisionObservation(
            RevisionState.PROGRESSING, "Stopped", "it is stopped and has no pods"
        )
    return observe_workload(predictor, deployment, slices)


MISSING = RevisionObservation(RevisionState.MISSING, "NotFound", "it is not in the cluster")


def observe_workload(
    predictor: Object, deployment: Object | None, slices: Sequence[Object]
) -> RevisionObservation:
    """Ready, or why not yet. `predictor` is what was written, of which KServe is to make the Deployment."""
    if deployment is None:
        return progressing("its Deployment is not there yet")
    if not is_written(predictor, deployment):
        return progressing("its Deployment is still the one of before")
    answers = any(
        _is_ready(endpoint) for part in slices for endpoint in part.get("endpoints") or []
    )
    if not is_rolled_out(deployment):
        serves = answers and available_replicas(deployment) > 0
        return replace(progressing("its Deployment is not rolled out yet"), serves=serves)
    if not answers:
        return progressing("its Service has no ready endpoint yet")
    return RevisionObservation(RevisionState.READY)


def is_written(predictor: Object, deployment: Object | None) -> bool:
    """Whether the pods of a Deployment are to be those of the predictor as it was written last.

    An object that was written before it said what makes its pods is taken at its Deployment's word.
    """
    return deployment is None or carries(deployment.get("spec", {}).get("template", {}), predictor)


def carries(template: Object, predictor: Object) -> bool:
    wanted = (predictor.get("annotations") or {}).get(PODS)
    found = template.get("metadata", {}).get("annotations") or {}
    return wanted is None or found.get(PODS) == wanted


def find_load_failure(model_status: Object, written: bool = True) -> RevisionObservation | None:
    """What KServe says when a model cannot be loaded; a failure that is past is kept there, and is none.

    Unless the pods are those that were `written` last it is about others. A spec of which no pods can be made never
    comes to that.
    """
    transition = model_status.get("transitionStatus", "")
    if transition not in BROKEN or not (written or transition == INVALID):
        return None
    failure = model_status.get("lastFailureInfo", {})
    reason = str(failure.get("reason") or transition)
    message = str(failure.get("message") or f"the model's status is {transition}")
    return RevisionObservation(RevisionState.FAILED, reason, message)


def is_stopped(service: Object) -> bool:
    annotations = service["metadata"].get("annotations") or {}
    return str(annotations.get(STOP, "")).lower() == "true"


def is_rolled_out(deployment: Object) -> bool:
    """All the replicas that are wanted, of the present template, seen by the Deployment's own controller."""
    status = deployment.get("status", {})
    wanted = deployment.get("spec", {}).get("replicas", 1)
    current = status.get("observedGeneration") == deployment["metadata"].get("generation")
    counts = (status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    return current and wanted > 0 and all(count >= wanted for count in counts)


def available_replicas(deployment: Object | None) -> int:
    return int((deployment or {}).get("status", {}).get("availableReplicas", 0))


def is_route_settled(route: Object, gateway: Gateway) -> bool:
    """Whether the gateway serves the route as it is written now: accepted and resolved at this generation.

    Conditions of other parents, and those about an earlier generation, say nothing.
    """
    wanted = parent_of(gateway)
    for parent in (route.get("status") or {}).get("parents") or []:
        named = {"namespace": route["metadata"].get("namespace")} | parent.get("parentRef", {})
        if all(named.get(key, wanted[key]) == wanted[key] for key in wanted):
            return all(
                _holds(parent.get("conditions") or [], kind, route["metadata"].get("generation"))
                for kind in ("Accepted", "ResolvedRefs")
            )
    return False


def is_accepted_everywhere(route: Object) -> bool:
    """The same for a route of KServe's own, whose Gateway is KServe's choice."""
    generation = route["metadata"].get("generation")
    parents = (route.get("status") or {}).get("parents") or []
    return bool(parents) and all(
        _holds(parent.get("conditions") or [], kind, generation)
        for parent in parents
        for kind in ("Accepted", "ResolvedRefs")
    )


def _holds(conditions: Sequence[Object], kind: str, generation: object) -> bool:
    return any(
        condition.get("type") == kind
        and condition.get("status") == "True"
        and condition.get("observedGeneration") == generation
        for condition in conditions
    )


def _is_ready(endpoint: Object) -> bool:
    return bool(endpoint.get("conditions", {}).get("ready"))


def progressing(message: str, reason: str = "Progressing") -> RevisionObservation:
    return RevisionObservation(RevisionState.PROGRESSING, reason, message)
