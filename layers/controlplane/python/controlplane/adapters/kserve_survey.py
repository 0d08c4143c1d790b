"""Which ways of splitting traffic a cluster has: found out, never taken from a release's number.

Whether KServe gives a canary of `spec.canary` its weight cannot be known before there is one: release 0.20.0 has the
field, its pods and its status, and writes no weights. That is seen during the rollout (`WeightsMissing`).
"""

from collections.abc import Callable, Sequence

from controlplane.adapters.cluster_facts import LEFT_OUT, ClusterFacts, list_runtimes, read_facts
from controlplane.adapters.kserve_predictors import PODS
from controlplane.adapters.kserve_routes import Gateway
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.rollout_changes import MARKS, Surroundings
from controlplane.adapters.rollout_obstacles import find_obstacles
from controlplane.reasons import Reason
from controlplane.serving.cluster_ports import (
    ROUTE_FEATURES,
    ClusterSurvey,
    Mechanism,
    Transition,
)

USE_ROUTES = (
    "Install a Gateway API gateway and the Gateway that Headrace is set to; it needs nothing else."
)


class KServeSurvey:
    """A Preflight. `api` speaks for Headrace's own account; KServe's ConfigMap lies in `namespace`."""

    def __init__(self, api: KubernetesApi, gateway: Gateway, namespace: str) -> None:
        self._api = api
        self._gateway = gateway
        self._namespace = namespace

    def survey(self, tenant_id: str) -> ClusterSurvey:
        del tenant_id  # every tenant of a cluster has the same
        facts = read_facts(self._api, self._gateway, self._namespace)
        return survey_of(facts, self._gateway, list_runtimes(self._api))

    def find_obstacles(self, transition: Transition, around: Surroundings) -> Sequence[Reason]:
        return find_obstacles(self._api, transition, around)


def survey_of(facts: ClusterFacts, gateway: Gateway, runtimes: frozenset[str]) -> ClusterSurvey:
    """What can be used, the best first; and of the rest why not."""
    refusals = {
        mechanism: refusal
        for mechanism in Mechanism
        if (refusal := _CHECKS[mechanism](facts, gateway)) is not None
    }
    usable = [mechanism for mechanism in _order(facts) if mechanism not in refusals]
    lacks = frozenset() if facts.features is None else ROUTE_FEATURES - facts.features
    return ClusterSurvey(tuple(usable), refusals, runtimes, lacks)


def _order(facts: ClusterFacts) -> Sequence[Mechanism]:
    """Our own routes first; then what the cluster's services run as where nothing is said."""
    others = [Mechanism.SPEC_CANARY, Mechanism.KNATIVE]
    if facts.mode == "Knative":
        others.reverse()
    return [Mechanism.ROUTE, *others, Mechanism.GROUP]


def _refuse_route(facts: ClusterFacts, gateway: Gateway) -> Reason | None:
    if "InferenceService" not in facts.kinds:
        return _KSERVE_MISSING
    if "HTTPRoute" not in facts.kinds:
        return Reason(
            code="GatewayApiMissing", message="the cluster knows no HTTPRoutes", remedy=USE_ROUTES
        )
    name = "/".join(gateway)
    if facts.gateway is None:
        if "gateways" in facts.hidden:
            return _hidden("gateways", name)
        return Reason(
            code="GatewayMissing",
            message=f"the cluster has no Gateway {name}",
            remedy="Create it, or set GATEWAY_NAMESPACE and GATEWAY_NAME to the one that there is.",
        )
    waiting = _unmet(facts, ("Accepted", "Programmed"))
    if waiting:
        return Reason(
            code="GatewayNotReady",
            message=f"the Gateway {name} is not {waiting}",
            remedy="Look at its conditions: its class must have a controller that runs.",
        )
    return _refuse_untold(facts)


def _unmet(facts: ClusterFacts, wanted: Sequence[str]) -> str:
    conditions = ((facts.gateway or {}).get("status") or {}).get("conditions") or []
    held = {each["type"] for each in conditions if each.get("status") == "True"}
    return " and not ".join(each for each in wanted if each not in held)


def _refuse_knative(facts: ClusterFacts, gateway: Gateway) -> Reason | None:
    del gateway
    if "InferenceService" not in facts.kinds:
        return _KSERVE_MISSING
    if "Service" not in facts.kinds:
        return Reason(
            code="KnativeMissing",
            message="the cluster knows no Knative Services; in KServe's mode Standard canaryTrafficPercent is not"
            " heeded and the canary would get all traffic",
            remedy="Install Knative Serving and let KServe know it, or: " + USE_ROUTES,
        )
    return _refuse_marks(facts)


def _refuse_spec_canary(facts: ClusterFacts, gateway: Gateway) -> Reason | None:
    del gateway
    if "InferenceService" not in facts.kinds:
        return _KSERVE_MISSING
    for resource in ("customresourcedefinitions", "configmaps"):
        if resource in facts.hidden:
            return _hidden(resource, "of KServe")
    if not facts.has_spec_canary:
        return Reason(
            code="SpecCanaryMissing",
            message="this KServe's InferenceService has no spec.canary",
            remedy="Upgrade KServe past 0.20.0, or: " + USE_ROUTES,
        )
    if not facts.uses_gateway_api:
        return Reason(
            code="GatewayApiOff",
            message="KServe makes no HTTPRoutes here, and without them a canary gets no traffic",
            remedy="Set enableGatewayApi to true in `ingress` of the ConfigMap inferenceservice-config.",
        )
    return _refuse_marks(facts)


def _refuse_marks(facts: ClusterFacts) -> Reason | None:
    """Where one object has all revisions, what a rollout notes on it must not reach pods: it would renew them all.

    Source: KServe `components/predictor.go`, which copies every annotation but those of the list.
    """
    if "configmaps" in facts.hidden:
        return _hidden("configmaps", "of KServe")
    missing = sorted(set(MARKS) - facts.left_out)
    if missing:
        return Reason(
            code="MarksReachPods",
            message="KServe would copy a rollout's notes into its pods' template, and each note would replace all pods",
            remedy=f"Add {', '.join(missing)} to {LEFT_OUT} in `inferenceService` of the ConfigMap "
            "inferenceservice-config and restart KServe's controller, or: " + USE_ROUTES,
        )
    return _refuse_untold(facts)


def _refuse_untold(facts: ClusterFacts) -> Reason | None:
    """The one annotation that is meant for the pods."""
    if PODS not in facts.left_out:
        return None
    return Reason(
        code="PodsNotTold",
        message=f"KServe keeps {PODS} from its pods, by which Headrace knows that they are the ones it asked for",
        remedy=f"Take {PODS} out of {LEFT_OUT} in `inferenceService` of the ConfigMap inferenceservice-config.",
    )


def _refuse_group(facts: ClusterFacts, gateway: Gateway) -> Reason | None:
    del gateway
    if "LLMInferenceService" not in facts.kinds:
        return Reason(
            code="LLMInferenceServiceMissing",
            message="the cluster knows no LLMInferenceService in serving.kserve.io/v1alpha2",
            remedy="Install KServe's LLM part in a release that has v1alpha2, or serve the model by the runtime vllm.",
        )
    return None


def _hidden(resource: str, what: str) -> Reason:
    return Reason(
        code="NotAllowedToRead",
        message=f"Headrace's account may not read the {resource} {what}",
        remedy="Apply cluster/headrace/roles.yaml of this release, and name the object there if it is another one.",
    )


_KSERVE_MISSING = Reason(
    code="KServeMissing",
    message="the cluster knows no InferenceServices",
    remedy="Install KServe 0.13 or later.",
)
_CHECKS: dict[Mechanism, Callable[[ClusterFacts, Gateway], Reason | None]] = {
    Mechanism.ROUTE: _refuse_route,
    Mechanism.KNATIVE: _refuse_knative,
    Mechanism.SPEC_CANARY: _refuse_spec_canary,
    Mechanism.GROUP: _refuse_group,
}
