"""What the cluster's objects say of a rollout that Knative splits.

KServe copies what it knows of a revision from Knative, with delay and without a generation; so the Knative Service is
asked itself: which revision is made of the model that we wrote, and what each gets.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.adapters.cluster_paths import knative_path, workload_path
from controlplane.adapters.kserve_manifests import DEPLOYMENT_MODE
from controlplane.adapters.kserve_readiness import (
    MISSING,
    available_replicas,
    carries,
    find_load_failure,
    progressing,
)
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.rollout_guards import mark_of, tie, tie_end
from controlplane.adapters.rollout_shared_service import KNATIVE, shared_path
from controlplane.errors import ClusterRefusedError
from controlplane.identifiers import route_name
from controlplane.serving.cluster_ports import ClusterChange, Transition, TransitionObservation
from controlplane.serving.ports import RevisionObservation, RevisionState

# KServe's own mark of where a pod's model comes from, on the template of each revision.
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
# "Serverless" is what "Knative" was called before KServe 0.16.
KNATIVE_MODES = frozenset({KNATIVE, "Serverless"})
Object = Mapping[str, Any]


class KnativeObserver:
    """An Observer."""

    def observe(self, api: KubernetesApi, transition: Transition) -> TransitionObservation:
        service = api.find(shared_path(transition))
        if service is None:
            return _nothing(transition)
        name = f"{route_name(transition.project, transition.deployment)}-predictor"
        knative = api.find(knative_path(transition.tenant_id, name)) or {}
        newest = _made_of(knative, transition.canary.version.uri, service)
        shares = _shares(knative)
        settled = _is_settled(service, knative, shares)
        canary_percent = shares.get(newest, 0) if newest else 0
        stable_names = [revision for revision in shares if revision != newest]
        observed = _canary(service, knative, newest)
        stable = _stable(transition, sum(shares.values()) - canary_percent)
        return TransitionObservation(
            canary=observed,
            stable=stable,
            canary_percent=canary_percent if settled else None,
            stable_percent=100 - canary_percent if settled and transition.stable else None,
            settled=settled,
            stable_replicas=sum(_replicas(api, transition, each) for each in stable_names),
            canary_replicas=_replicas(api, transition, newest) if newest else 0,
            mark=mark_of(service, transition),
        )

    def stable_replicas(self, api: KubernetesApi, transition: Transition) -> int:
        """None is held: Knative sizes revisions by what they get."""
        del api, transition
        return 0

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
        _refuse_other_modes(service)
        if transition.stable is not None and not _component(service).get("latestRolledoutRevision"):
            raise ClusterRefusedError(
                "Knative has no revision that is rolled out: a canary would get all traffic",
                remedy="Wait until the stable revision is ready with all traffic, then try again.",
            )
        return tie(changes, service, shared_path(transition), transition)


def _refuse_other_modes(service: Object) -> None:
    annotations = service["metadata"].get("annotations") or {}
    modes = {annotations.get(DEPLOYMENT_MODE), service.get("status", {}).get("deploymentMode")}
    wrong = [mode for mode in modes if mode and mode not in KNATIVE_MODES]
    if wrong or not annotations.get(DEPLOYMENT_MODE):
        mode = wrong[0] if wrong else "what the cluster takes by default"
        raise ClusterRefusedError(
            f"{service['metadata']['name']} runs in the mode {mode}, where canaryTrafficPercent is not heeded: "
            "the canary would get all traffic",
            remedy="Let the deployment be rolled out by routes of our own, or delete it and let Knative serve it.",
        )


def _component(service: Object) -> Object:
    found: Object = service.get("status", {}).get("components", {}).get("predictor", {})
    return found


def _made_of(knative: Object, uri: str, service: Object) -> str | None:
    """The newest revision, if it is made of this model as it was written, and the Service's controller has seen it."""
    if not knative or not _is_current(knative):
        return None
    template = knative.get("spec", {}).get("template", {})
    if (template.get("metadata", {}).get("annotations") or {}).get(SOURCE) != uri:
        return None
    if not carries(template, service["spec"]["predictor"]):
        return None
    return str(knative["status"].get("latestCreatedRevisionName") or "") or None


def _is_current(knative: Object) -> bool:
    seen = knative.get("status", {}).get("observedGeneration")
    return bool(seen == knative["metadata"].get("generation"))


def _canary(service: Object, knative: Object, newest: str | None) -> RevisionObservation:
    failure = find_load_failure(service.get("status", {}).get("modelStatus", {}))
    if newest is None:
        return progressing("Knative has not made its revision yet")
    if failure is not None:
        return failure
    if knative["status"].get("latestReadyRevisionName") != newest:
        return progressing("its Knative revision is not ready yet")
    return RevisionObservation(RevisionState.READY)


def _stable(transition: Transition, percent: int) -> RevisionObservation | None:
    if transition.stable is None:
        return None
    if percent:
        return RevisionObservation(RevisionState.READY)
    return progressing("Knative sends it nothing")


def _shares(knative: Object) -> dict[str, int]:
    shares: dict[str, int] = {}
    for target in knative.get("status", {}).get("traffic") or []:
        name = str(target.get("revisionName", ""))
        shares[name] = shares.get(name, 0) + int(target.get("percent") or 0)
    return shares


def _is_settled(service: Object, knative: Object, shares: Mapping[str, int]) -> bool:
    """Whether what the InferenceService asks for is what Knative's route does, at the present generation."""
    if not knative or not _is_current(knative) or sum(shares.values()) != 100:
        return False
    wanted = service["spec"]["predictor"].get("canaryTrafficPercent")
    latest = [t for t in knative["spec"].get("traffic") or [] if t.get("latestRevision")]
    asked = int(latest[0].get("percent") or 0) if latest else 0
    if asked != (100 if wanted is None else wanted):
        return False
    ready = knative["status"].get("latestReadyRevisionName")
    conditions = knative["status"].get("conditions") or []
    routed = any(c["type"] == "RoutesReady" and c["status"] == "True" for c in conditions)
    return routed and shares.get(str(ready), 0) >= asked


def _replicas(api: KubernetesApi, transition: Transition, revision: str) -> int:
    return available_replicas(
        api.find(workload_path(transition.tenant_id, f"{revision}-deployment"))
    )


def _nothing(transition: Transition) -> TransitionObservation:
    stable = None if transition.stable is None else MISSING
    return TransitionObservation(MISSING, stable, 0, None if stable is None else 0, settled=True)
