"""How a revision is, read from the objects that cannot lie about it.

`Ready` of an InferenceService stays True while it progresses and its `observedGeneration` is a child's, so only
what KServe says about the model's loading is taken from it; readiness is the Deployment's own and the Service's
ready endpoints.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.serving.ports import RevisionObservation, RevisionState

Object = Mapping[str, Any]

BROKEN = frozenset({"BlockedByFailedLoad", "InvalidSpec"})


def observe(
    service: Object | None, deployment: Object | None, slices: Sequence[Object]
) -> RevisionObservation:
    """The state of a revision from its InferenceService, its Deployment and its Service's EndpointSlices."""
    if service is None:
        return RevisionObservation(RevisionState.MISSING, "NotFound", "it is not in the cluster")
    model = service.get("status", {}).get("modelStatus", {})
    transition = model.get("transitionStatus", "")
    failure = model.get("lastFailureInfo", {})
    if transition in BROKEN:
        reason = str(failure.get("reason") or transition)
        message = str(failure.get("message") or f"the model's status is {transition}")
        return RevisionObservation(RevisionState.FAILED, reason, message)
    if deployment is None:
        return _progressing("its Deployment is not there yet")
    if not _rolled_out(deployment):
        return _progressing("its Deployment is not rolled out yet")
    if not any(_is_ready(endpoint) for part in slices for endpoint in part.get("endpoints") or []):
        return _progressing("its Service has no ready endpoint yet")
    return RevisionObservation(RevisionState.READY)


def _rolled_out(deployment: Object) -> bool:
    status = deployment.get("status", {})
    wanted = deployment.get("spec", {}).get("replicas", 1)
    current = status.get("observedGeneration") == deployment["metadata"].get("generation")
    counts = (status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
    return current and wanted > 0 and all(count >= wanted for count in counts)


def _is_ready(endpoint: Object) -> bool:
    return bool(endpoint.get("conditions", {}).get("ready"))


def _progressing(message: str) -> RevisionObservation:
    return RevisionObservation(RevisionState.PROGRESSING, "Progressing", message)
