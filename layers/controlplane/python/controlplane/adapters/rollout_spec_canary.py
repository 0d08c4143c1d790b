"""KServe's own split: `spec.canary[]` of one InferenceService in Standard mode.

Source of the rules: KServe `inference_service_validation.go`, `components/predictor.go`, `httproute_reconciler.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.adapters.kserve_predictors import predictor, scaling
from controlplane.adapters.rollout_changes import (
    HELD,
    PROMOTED,
    ROLLED_BACK,
    SHIFTING,
    Surroundings,
    applied,
    guarded,
    mark_tests,
    marks,
    merged,
    refuse_extras,
    stable_of,
)
from controlplane.adapters.rollout_shared_service import (
    STANDARD,
    shared_path,
    shared_service,
    version_label,
)
from controlplane.errors import ClusterRefusedError
from controlplane.serving.cluster_ports import ClusterChange, Traffic, Transition
from controlplane.serving.ports import RevisionSpec

# What a canary takes from the stable predictor and may not say itself.
NOT_A_CANARYS = frozenset(
    {"maxReplicas", "scaleTarget", "scaleMetric", "autoScaling", "workerSpec"}
)


# KServe's own name of a model's container. The definition asks for it in a canary, and in the predictor it does not.
CONTAINER = "kserve-container"


@dataclass(frozen=True)
class SpecCanaryCompiler:
    """A RolloutCompiler.

    KServe takes the replicas of a ready canary off the stable predictor's, so that it asks for N + c before there is
    a canary of c, and so never has fewer than N. The list is atomic: it is written whole.
    """

    around: Surroundings

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]:
        canary, stable = transition.canary, transition.stable
        if stable is None:
            return [applied(self._service(transition, canary, SHIFTING))]
        if stable.runtime != canary.runtime:
            raise ClusterRefusedError(
                f"the canary is served by {canary.runtime.key}, the stable revision by {stable.runtime.key}: "
                "KServe would merge the two",
                remedy="Give the new runtime a deployment of its own, or use a cluster with routes of our own.",
            )
        size = self._size(stable)
        room = {"minReplicas": 2 * size, "maxReplicas": max(2 * size, _most(stable))}
        path = shared_path(transition)
        first = {
            "metadata": {"annotations": marks(transition, SHIFTING) | {HELD: str(size)}},
            "spec": {"predictor": room},
        }
        return [merged(path, first), merged(path, self._entry(transition, size, 0))]

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]:
        """Refused by the cluster unless the entry still is the canary's, and still on its way."""
        stable_of(transition)
        refuse_extras(transition, traffic)
        tests = mark_tests(transition, SHIFTING) | {
            "/spec/canary/0/predictor/name": predictor_name(transition.canary),
            "/spec/canary/0/predictor/model/storageUri": transition.canary.version.uri,
        }
        percent = traffic.canary_percent
        change = {"op": "replace", "path": "/spec/canary/0/trafficPercent", "value": percent}
        return [guarded(shared_path(transition), tests, [change])]

    def promote(self, transition: Transition) -> Sequence[ClusterChange]:
        """In one write, under the canary's name so that its pods stay. The stable one's go at once."""
        return [applied(self._service(transition, transition.canary, PROMOTED))]

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]:
        """The entry stays until `finish`: with it the stable predictor asks for enough.

        After a promotion there is nothing to go back to: the cluster refuses a canary of the stable one's name.
        """
        if transition.stable is None:
            return []
        entry = self._entry(transition, self._size(transition.stable), 0)
        return [
            merged(
                shared_path(transition),
                {"metadata": {"annotations": marks(transition, ROLLED_BACK)}} | entry,
            )
        ]

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]:
        """So many more than wanted as the canary, when ready, takes off it."""
        stable = stable_of(transition)
        least = max(1, replicas) + self._size(stable)
        size = {"minReplicas": least, "maxReplicas": max(least, _most(stable))}
        return [merged(shared_path(transition), {"spec": {"predictor": size}})]

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]:
        """The stable predictor's own bounds, together with the end of the canary that took from it."""
        spec = transition.canary if promoted else transition.stable
        if spec is None:
            return []
        own = scaling(spec.settings.autoscaling)
        size = {"minReplicas": own["minReplicas"], "maxReplicas": own["maxReplicas"]}
        change = {"spec": {"predictor": size, "canary": []}}
        return [merged(shared_path(transition), change)]

    def _size(self, stable: RevisionSpec) -> int:
        return int(scaling(stable.settings.autoscaling, self.around.floor)["minReplicas"])

    def _entry(self, transition: Transition, size: int, percent: int) -> dict[str, Any]:
        """The replicas are said, never left to follow from the percentage: at 0 % there would be none."""
        fields = self._predictor(transition.canary)
        fields["model"] = {"name": CONTAINER} | fields["model"]
        entry = {"name": predictor_name(transition.canary), "minReplicas": size} | fields
        return {"spec": {"canary": [{"trafficPercent": percent, "predictor": entry}]}}

    def _service(self, transition: Transition, spec: RevisionSpec, phase: str) -> dict[str, Any]:
        size = scaling(spec.settings.autoscaling, self.around.floor)
        fields = {"name": predictor_name(spec)} | self._predictor(spec) | size
        found = marks(transition, phase)
        return shared_service(spec, self.around, STANDARD, found, predictor=fields, canary=[])

    def _predictor(self, spec: RevisionSpec) -> dict[str, Any]:
        """With the version's label its own: the object's would be on both revisions' pods, and change under them."""
        return {"labels": version_label(spec)} | predictor(spec, self.around.where)


def predictor_name(spec: RevisionSpec) -> str:
    """What tells the revisions of one InferenceService apart."""
    return f"v{spec.version.number}"


def _most(spec: RevisionSpec) -> int:
    return spec.settings.autoscaling.max_replicas
