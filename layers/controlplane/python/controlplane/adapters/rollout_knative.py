"""Knative's split: one InferenceService, whose newest revision gets `canaryTrafficPercent` of the requests.

Source of the rules: KServe `reconcilers/knative/ksvc_reconciler.go` and `inference_service_status.go`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.adapters.kserve_predictors import predictor, scaling
from controlplane.adapters.rollout_changes import (
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
from controlplane.adapters.rollout_shared_service import KNATIVE, shared_path, shared_service
from controlplane.serving.cluster_ports import ClusterChange, Traffic, Transition
from controlplane.serving.ports import RevisionSpec

PERCENT = "/spec/predictor/canaryTrafficPercent"


@dataclass(frozen=True)
class KnativeCompiler:
    """A RolloutCompiler. Only for objects of the mode Knative: elsewhere the percentage is not heeded, and the new
    model gets everything."""

    around: Surroundings

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]:
        """A first revision takes all traffic when it is ready: there is none that could have the rest."""
        percent = None if transition.stable is None else 0
        return [applied(self._service(transition, transition.canary, percent, SHIFTING))]

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]:
        """Refused by the cluster unless the object still is the canary's, and still on its way."""
        stable_of(transition)
        refuse_extras(transition, traffic)
        tests = mark_tests(transition, SHIFTING) | {
            "/spec/predictor/model/storageUri": transition.canary.version.uri
        }
        change = {"op": "add", "path": PERCENT, "value": traffic.canary_percent}
        return [guarded(shared_path(transition), tests, [change])]

    def promote(self, transition: Transition) -> Sequence[ClusterChange]:
        """Without the field the newest ready revision has everything."""
        return [_turned(transition, PROMOTED, None)]

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]:
        """0 pins everything to the revision that was rolled out before, after a promotion too."""
        return [] if transition.stable is None else [_turned(transition, ROLLED_BACK, 0)]

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]:
        """Nothing: Knative sizes each revision by the requests that it gets."""
        stable_of(transition)
        del replicas
        return []

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]:
        """After a rollback the object gets the stable model back, lest the next promotion brings the bad one.

        The percentage stays 0: while the model that is put back is not ready, the newest ready one is the bad one.
        """
        if promoted or transition.stable is None:
            return []
        return [applied(self._service(transition, transition.stable, 0, ROLLED_BACK))]

    def _service(
        self, transition: Transition, spec: RevisionSpec, percent: int | None, phase: str
    ) -> dict[str, Any]:
        size = scaling(spec.settings.autoscaling, self.around.floor, least=0)
        fields = predictor(spec, self.around.where) | size
        if percent is not None:
            fields["canaryTrafficPercent"] = percent
        found = marks(transition, phase)
        return shared_service(spec, self.around, KNATIVE, found, predictor=fields)


def _turned(transition: Transition, phase: str, percent: int | None) -> ClusterChange:
    change = {
        "metadata": {"annotations": marks(transition, phase)},
        "spec": {"predictor": {"canaryTrafficPercent": percent}},
    }
    return merged(shared_path(transition), change)
