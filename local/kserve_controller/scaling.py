"""The HorizontalPodAutoscaler that KServe makes in Standard mode, and its status."""

from datetime import datetime

from local.kserve_controller.autoscaler import ScalingState
from local.kserve_controller.conditions import FALSE, TRUE, Condition, timestamp
from local.kserve_controller.manifests import owned_metadata
from local.kserve_controller.specification import InferenceService, Manifest


def horizontal_pod_autoscaler(service: InferenceService) -> Manifest:
    scaling = service.scaling
    name = service.key.predictor
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": owned_metadata(service, name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": scaling.least,
            "maxReplicas": scaling.most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": scaling.metric,
                        "target": {"type": "Utilization", "averageUtilization": scaling.target},
                    },
                }
            ],
        },
    }


def autoscaler_status(
    state: ScalingState, replicas: int, generation: int, previous: Manifest, now: datetime
) -> Manifest:
    """The status of a HorizontalPodAutoscaler whose Deployment has `replicas`."""
    status: Manifest = {
        "observedGeneration": generation,
        "currentReplicas": replicas,
        "desiredReplicas": state.desired,
        "conditions": _with_times(_conditions(state), previous.get("conditions") or [], now),
    }
    if state.usage is not None:
        current = {"averageUtilization": state.usage}
        resource = {"name": state.scaling.metric, "current": current}
        status["currentMetrics"] = [{"type": "Resource", "resource": resource}]
    if previous.get("desiredReplicas") not in (None, state.desired):
        status["lastScaleTime"] = timestamp(now)
    elif "lastScaleTime" in previous:
        status["lastScaleTime"] = previous["lastScaleTime"]
    return status


def _conditions(state: ScalingState) -> list[Condition]:
    able = _condition("AbleToScale", TRUE, "ReadyForNewScale", "recommended size matches")
    if state.usage is None:
        told = f"no {state.scaling.metric} usage has been measured yet"
        active = _condition("ScalingActive", FALSE, "FailedGetResourceMetric", told)
    else:
        told = f"the usage of {state.scaling.metric} is known"
        active = _condition("ScalingActive", TRUE, "ValidMetricFound", told)
    if state.desired == state.scaling.most:
        limited = _condition("ScalingLimited", TRUE, "TooManyReplicas", "at the most allowed")
    elif state.desired == state.scaling.least:
        limited = _condition("ScalingLimited", TRUE, "TooFewReplicas", "at the least allowed")
    else:
        limited = _condition("ScalingLimited", FALSE, "DesiredWithinRange", "within its bounds")
    return [able, active, limited]


def _condition(kind: str, status: str, reason: str, message: str) -> Condition:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _with_times(
    conditions: list[Condition], previous: list[Condition], now: datetime
) -> list[Condition]:
    earlier = {each["type"]: each for each in previous}
    timed = []
    for condition in conditions:
        old = earlier.get(condition["type"], {})
        unchanged = old.get("status") == condition["status"]
        since = old["lastTransitionTime"] if unchanged else timestamp(now)
        timed.append(condition | {"lastTransitionTime": since})
    return timed
