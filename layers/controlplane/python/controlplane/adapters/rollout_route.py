"""Revisions behind our own HTTPRoute: each one an InferenceService, and weights that we write ourselves.

Source of the rules: Gateway API v1 HTTPRoute; KServe's Standard mode.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controlplane.adapters.cluster_paths import service_path
from controlplane.adapters.kserve_manifests import inference_service
from controlplane.adapters.kserve_predictors import scaling
from controlplane.adapters.kserve_routes import (
    Split,
    header_matches,
    http_route,
)
from controlplane.adapters.rollout_changes import (
    PROMOTED,
    ROLLED_BACK,
    SHIFTING,
    Surroundings,
    applied,
    marks,
    merged,
    stable_of,
)
from controlplane.serving.cluster_ports import ClusterChange, Traffic, Transition
from controlplane.serving.ports import RevisionSpec


@dataclass(frozen=True)
class RouteCompiler:
    """A RolloutCompiler. The stable revision is the rule's first backend and the canary its second, until `finish`.

    Envoy Gateway names a backend's metrics by its place in the rule.
    """

    around: Surroundings

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]:
        """The stable revision's size is held first, lest its autoscaler takes away what a rollback needs."""
        around = self.around
        canary = inference_service(transition.canary, around.where, around.floor, around.taken_by)
        return [*_held(transition, around), applied(canary)]

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]:
        canary, stable = transition.canary.name, stable_of(transition).name
        split = Split(
            weights={stable: 100 - traffic.canary_percent, canary: traffic.canary_percent},
            matches=header_matches(transition.headers, canary, stable, probes=traffic.probes),
            mirror=canary,
            mirror_percent=traffic.mirror_percent,
        )
        return [_route(transition, split, SHIFTING, self.around)]

    def promote(self, transition: Transition) -> Sequence[ClusterChange]:
        weights = {transition.canary.name: 100}
        if transition.stable is not None:
            weights = {transition.stable.name: 0} | weights
        return [_route(transition, Split(weights), PROMOTED, self.around)]

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]:
        """Nothing where there is no revision to go back to. Exceptions by header and copies go with the traffic."""
        if transition.stable is None:
            return []
        weights = {transition.stable.name: 100, transition.canary.name: 0}
        return [_route(transition, Split(weights), ROLLED_BACK, self.around)]

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]:
        stable = stable_of(transition)
        return [_resized(stable, max(1, replicas), stable.settings.autoscaling.max_replicas)]

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]:
        """Who serves gets its own bounds back, and the other one leaves the route, in which it would be a gap.

        The other one keeps its size until it goes. The route comes first: it is refused when a later rollout has it.
        """
        spec = transition.canary if promoted else transition.stable
        if spec is None:
            return []
        phase = PROMOTED if promoted else ROLLED_BACK
        return [_route(transition, Split({spec.name: 100}), phase, self.around), _own_size(spec)]


def _held(transition: Transition, around: Surroundings) -> list[ClusterChange]:
    stable = transition.stable
    if (
        stable is None
        or transition.warm
        or around.floor <= stable.settings.autoscaling.min_replicas
    ):
        return []
    return [_resized(stable, around.floor, stable.settings.autoscaling.max_replicas)]


def _own_size(spec: RevisionSpec) -> ClusterChange:
    own = scaling(spec.settings.autoscaling)
    return _resized(spec, own["minReplicas"], own["maxReplicas"])


def _resized(spec: RevisionSpec, least: int, most: int) -> ClusterChange:
    size = {"minReplicas": least, "maxReplicas": max(least, most)}
    return merged(service_path(spec.tenant_id, spec.name), {"spec": {"predictor": size}})


def _route(transition: Transition, split: Split, phase: str, around: Surroundings) -> ClusterChange:
    place = (transition.tenant_id, transition.project, transition.deployment)
    return applied(http_route(*place, split, around.gateway, marks(transition, phase)))
