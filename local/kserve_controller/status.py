"""The status of Deployments and InferenceServices, computed from pods as the real controllers do.

Two habits of KServe are kept on purpose, because a consumer must live with them:
`observedGeneration` is that of the Deployment, not of the InferenceService, and `lastFailureInfo`
stays when a later load succeeds, so `transitionStatus` is what tells.
(pkg/apis/serving/v1beta1/inference_service_status.go: PropagateRawStatus, PropagateModelStatus)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from local.kserve_controller.conditions import (
    FALSE,
    READY,
    TRUE,
    UNKNOWN,
    Condition,
    ConditionSet,
    timestamp,
)
from local.kserve_controller.pods import Pod
from local.kserve_controller.runtimes import PredictorSpecError, Runtime
from local.kserve_controller.specification import InferenceService, Manifest

PREDICTOR_READY = "PredictorReady"
INGRESS_READY = "IngressReady"
STOPPED = "Stopped"
DEPENDENTS = (PREDICTOR_READY, INGRESS_READY)


@dataclass(frozen=True)
class Ingress:
    """Where a service can be called, and whether its route is in place."""

    url: str
    address: str
    status: str
    reason: str = ""
    message: str = ""


def deployment_status(
    pods: Sequence[Pod],
    template: str,
    generation: int,
    previous: Manifest,
    now: datetime,
    *,
    wanted: int = 1,
) -> Manifest:
    """The status of a Deployment of `wanted` replicas whose current pod template is `template`."""
    current = [pod for pod in pods if not pod.retiring]
    updated = [pod for pod in current if pod.template == template]
    ready = sum(pod.ready for pod in current)
    counts = {
        "replicas": len(current),
        "updatedReplicas": len(updated),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(len(current), wanted) - ready,
    }
    earlier = previous.get("conditions") or []
    complete = len(current) == len(updated) and _has_come_up(updated, wanted, earlier)
    conditions = [_available(ready, wanted), _progressing(updated, complete=complete)]
    return {
        "observedGeneration": generation,
        **{name: count for name, count in counts.items() if count},
        "conditions": _with_times(conditions, earlier, now),
    }


def running_status(
    previous: Manifest,
    *,
    pods: Sequence[Pod],
    deployment: Manifest,
    runtime: Runtime,
    ingress: Ingress,
    now: datetime,
) -> Manifest:
    """The status of an InferenceService with a Deployment.

    `previous` is its last status; `deployment` the Deployment's status; `pods` the newest first.
    """
    conditions = ConditionSet(previous.get("conditions") or [], dependents=DEPENDENTS, now=now)
    conditions.mark(STOPPED, FALSE)
    status, reason, message = predictor_ready(deployment["conditions"])
    conditions.mark(PREDICTOR_READY, status, reason, message)
    conditions.mark(INGRESS_READY, ingress.status, ingress.reason, ingress.message)
    component = dict((previous.get("components") or {}).get("predictor") or {})
    if status == TRUE:
        component["url"] = ingress.address
    runtime_field = "clusterServingRuntimeName" if runtime.cluster_scoped else "servingRuntimeName"
    return {
        "conditions": conditions.as_list(),
        "observedGeneration": deployment["observedGeneration"],
        "deploymentMode": "Standard",
        "url": ingress.url,
        "address": {"url": ingress.address},
        "components": {"predictor": component},
        "modelStatus": _model_status(
            previous.get("modelStatus") or {}, pods, loaded=conditions.status_of(READY) == TRUE
        ),
        runtime_field: runtime.name,
    }


def invalid_status(
    previous: Manifest, error: PredictorSpecError, *, serving: bool, now: datetime
) -> Manifest:
    """The status of a spec that cannot be served.

    While pods of an earlier spec still serve (`serving`), the conditions go on telling about those.
    """
    conditions = ConditionSet(previous.get("conditions") or [], dependents=DEPENDENTS, now=now)
    if not serving:
        conditions.mark(PREDICTOR_READY, FALSE, error.reason, str(error))
    states = dict((previous.get("modelStatus") or {}).get("states") or {"activeModelState": ""})
    if not serving:
        states["activeModelState"] = ""
    return {
        **previous,
        "conditions": conditions.as_list(),
        "deploymentMode": "Standard",
        "modelStatus": {
            **(previous.get("modelStatus") or {}),
            "transitionStatus": "InvalidSpec",
            "states": {**states, "targetModelState": "FailedToLoad"},
            "lastFailureInfo": {"reason": error.reason, "message": str(error)},
        },
    }


def stopped_status(
    previous: Manifest, service: InferenceService, ingress: Ingress, now: datetime
) -> Manifest:
    """The status of a stopped service: all that was known of its model is cleared."""
    earlier = [
        condition
        for condition in previous.get("conditions") or []
        if condition["type"] in (*DEPENDENTS, READY, STOPPED)
    ]
    conditions = ConditionSet(earlier, dependents=DEPENDENTS, now=now)
    conditions.mark(PREDICTOR_READY, FALSE, STOPPED)
    conditions.mark(STOPPED, TRUE)
    status: Manifest = {"deploymentMode": "Standard", "modelStatus": {"transitionStatus": ""}}
    if service.cluster_local:
        conditions.mark(INGRESS_READY, TRUE)
        status |= {"url": ingress.url, "address": {"url": ingress.address}}
    else:
        conditions.mark(INGRESS_READY, FALSE, STOPPED)
    return {**status, "conditions": conditions.as_list()}


def predictor_ready(deployment_conditions: Sequence[Condition]) -> tuple[str, str, str]:
    """PredictorReady's status, reason and message, from a Deployment's conditions."""
    by_type = {condition["type"]: condition for condition in deployment_conditions}
    available, progressing = by_type["Available"], by_type["Progressing"]
    if available["status"] == FALSE:
        return FALSE, available["reason"], available["message"]
    if progressing["status"] == FALSE:
        return FALSE, progressing["reason"], progressing["message"]
    if progressing["reason"] == "NewReplicaSetAvailable":
        return TRUE, "", ""
    return UNKNOWN, progressing["reason"], progressing["message"]


def _available(ready: int, wanted: int) -> Condition:
    # A quarter, rounded down, may be away: the Deployment's maxUnavailable.
    if ready >= wanted - wanted // 4:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
        return {"type": "Available", "status": TRUE, "reason": reason, "message": message}
    reason = "MinimumReplicasUnavailable"
    message = "Deployment does not have minimum availability."
    return {"type": "Available", "status": FALSE, "reason": reason, "message": message}


def _has_come_up(updated: Sequence[Pod], wanted: int, earlier: Sequence[Condition]) -> bool:
    """Whether the newest template has had all its replicas.

    Once it had, a Deployment keeps saying so while it is scaled or its pods fail.
    """
    came_up = sum(pod.was_ready for pod in updated)
    had_all = any(condition.get("reason") == "NewReplicaSetAvailable" for condition in earlier)
    return came_up >= wanted or (had_all and came_up > 0)


def _progressing(updated: Sequence[Pod], *, complete: bool) -> Condition:
    replica_set = f'ReplicaSet "{updated[0].name.rsplit("-", 1)[0]}"' if updated else "ReplicaSet"
    if any(pod.exhausted for pod in updated):
        status, reason = FALSE, "ProgressDeadlineExceeded"
        message = f"{replica_set} has timed out progressing."
    elif complete:
        status, reason = TRUE, "NewReplicaSetAvailable"
        message = f"{replica_set} has successfully progressed."
    else:
        status, reason = TRUE, "ReplicaSetUpdated"
        message = f"{replica_set} is progressing."
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _with_times(
    conditions: list[Condition], previous: list[Condition], now: datetime
) -> list[Condition]:
    """Add the two times of a Deployment's condition: of the last change, and of the last flip."""
    earlier = {condition["type"]: condition for condition in previous}
    timed = []
    for condition in conditions:
        old = earlier.get(condition["type"], {})
        same = all(old.get(name) == value for name, value in condition.items())
        flipped = old.get("status") != condition["status"]
        updated_at = old["lastUpdateTime"] if same else timestamp(now)
        changed_at = timestamp(now) if flipped else old["lastTransitionTime"]
        timed.append(condition | {"lastUpdateTime": updated_at, "lastTransitionTime": changed_at})
    return timed


def _model_status(previous: Manifest, pods: Sequence[Pod], *, loaded: bool) -> Manifest:
    ready = sum(pod.ready and not pod.retiring for pod in pods)
    copies = {"failedCopies": 0} | ({"totalCopies": ready} if ready else {})
    active = (previous.get("states") or {}).get("activeModelState", "")
    failure = previous.get("lastFailureInfo")
    failing = next((pod for pod in _newest(pods) if pod.crash_looping), None)
    if loaded:
        transition, active, target = "UpToDate", "Loaded", "Loaded"
    elif failing is not None:
        transition, target = "BlockedByFailedLoad", "FailedToLoad"
        failure = _failure(failing)
    else:
        transition, target = "InProgress", "Pending"
    status: Manifest = {
        "transitionStatus": transition,
        "states": {"activeModelState": active, "targetModelState": target},
        "copies": copies,
    }
    return status | ({"lastFailureInfo": failure} if failure else {})


def _newest(pods: Sequence[Pod]) -> list[Pod]:
    """The pods of the template that came last."""
    current = [pod for pod in pods if not pod.retiring]
    return [pod for pod in current if pod.template == current[0].template]


def _failure(pod: Pod) -> Manifest | None:
    termination = pod.last_termination
    if termination is None:
        return None
    info: Manifest = {
        "reason": "ModelLoadFailed",
        "message": termination.message,
        "location": pod.name,
        "time": timestamp(termination.at),
    }
    return info | ({"exitCode": termination.exit_code} if termination.exit_code else {})
