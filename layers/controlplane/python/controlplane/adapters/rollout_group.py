"""LLMInferenceServices of one routing group: an object for each revision, and weights in proportion.

Source of the rules: KServe `LLMInferenceService` v1alpha2 (`spec.router.route.{group,weight}`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.adapters.cluster_paths import llm_path
from controlplane.adapters.kserve_manifests import ROLLOUT, deployment_labels, run_annotations
from controlplane.adapters.kserve_predictors import (
    POD_SECURITY,
    SHARED,
    container_fields,
    fingerprint,
    grace_seconds,
    placed,
    scaling,
    variables,
)
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
from controlplane.adapters.tenant_access import MODELS
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.identifiers import route_name, serving_namespace
from controlplane.serving.cluster_ports import ClusterChange, Traffic, Transition
from controlplane.serving.ports import RevisionSpec

# The stable member's weight; the canary's is what makes its share beside it. The field's bound is a million.
STABLE_WEIGHT = 10_000
LARGEST_WEIGHT = 1_000_000
# A member that begins with 0 may cause failures until the gateway knows it; one part in ten thousand does not count.
FIRST_WEIGHT = 1
WEIGHT = "/spec/router/route/weight"
# KServe's own name of the model server's container, and the variable that tells what its pods are made of.
MAIN = "main"
PODS_VARIABLE = "HEADRACE_PODS"


@dataclass(frozen=True)
class GroupCompiler:
    """A RolloutCompiler. A step, and a rollback, are one write of the canary's weight: the stable one's stays."""

    around: Surroundings

    def prepare(self, transition: Transition) -> Sequence[ClusterChange]:
        """The stable member is marked first: what a rollout before this one sends late is refused from then on.

        It gets the weight that shares are reckoned with, which that rollout's end may not have come to.
        """
        if transition.stable is None:
            return [applied(self._service(transition, STABLE_WEIGHT))]
        stable = taken_over(transition, transition.stable.name, STABLE_WEIGHT)
        return [stable, applied(self._service(transition, FIRST_WEIGHT))]

    def shift(self, transition: Transition, traffic: Traffic) -> Sequence[ClusterChange]:
        """Refused by the cluster unless the object still is the canary's, and still on its way."""
        stable_of(transition)
        refuse_extras(transition, traffic)
        tests = mark_tests(transition, SHIFTING) | {
            "/spec/model/uri": transition.canary.version.uri
        }
        change = {"op": "replace", "path": WEIGHT, "value": weight_for(traffic.canary_percent)}
        return [guarded(_path(transition.canary), tests, [change])]

    def promote(self, transition: Transition) -> Sequence[ClusterChange]:
        """The canary's up before the stable one's down; that keeps the least weight, so that one write rolls back."""
        up = _weighed(transition, transition.canary, LARGEST_WEIGHT, PROMOTED)
        if transition.stable is None:
            return [_weighed(transition, transition.canary, STABLE_WEIGHT, PROMOTED)]
        down = merged(_path(transition.stable), _weight(FIRST_WEIGHT))
        return [up, down]

    def roll_back(self, transition: Transition) -> Sequence[ClusterChange]:
        if transition.stable is None:
            return []
        return [_weighed(transition, transition.canary, 0, ROLLED_BACK)]

    def resize_stable(self, transition: Transition, replicas: int) -> Sequence[ClusterChange]:
        change = {"spec": {"replicas": max(1, replicas)}}
        return [merged(_path(stable_of(transition)), change)]

    def finish(self, transition: Transition, *, promoted: bool) -> Sequence[ClusterChange]:
        """Whoever serves gets the weight that the next rollout reckons with, before the other one gets none.

        The other one is kept: stopped or deleted is it by whoever retires it.
        """
        stable = transition.stable
        if not promoted:
            return [] if stable is None else [merged(_path(stable), _whole(stable))]
        own = merged(_path(transition.canary), _whole(transition.canary))
        return [own] if stable is None else [own, merged(_path(stable), _weight(0))]

    def _service(self, transition: Transition, weight: int) -> dict[str, Any]:
        spec = transition.canary
        size = scaling(spec.settings.autoscaling, self.around.floor)["minReplicas"]
        labels = {"headrace.dev/version": str(spec.version.number)}
        return {
            "apiVersion": "serving.kserve.io/v1alpha2",
            "kind": "LLMInferenceService",
            "metadata": {
                "name": spec.name,
                "namespace": serving_namespace(spec.tenant_id),
                "labels": deployment_labels(spec.tenant_id, spec.project, spec.deployment) | labels,
                "annotations": {ROLLOUT: spec.rollout_id}
                | run_annotations(self.around.where)
                | marks(transition, SHIFTING),
            },
            "spec": {
                "model": {"uri": spec.version.uri, "name": spec.deployment},
                "replicas": size,
                "router": {
                    "route": {
                        "http": {},
                        "group": route_name(spec.project, spec.deployment),
                        "weight": weight,
                    },
                    "gateway": {
                        "refs": [
                            {
                                "namespace": self.around.gateway[0],
                                "name": self.around.gateway[1],
                            }
                        ]
                    },
                },
                "template": self._template(spec),
            },
        }

    def _template(self, spec: RevisionSpec) -> dict[str, Any]:
        """An LLMInferenceService's annotations do not reach its pods: what they are made of is told by a variable."""
        fields = _pod_fields(spec, self.around.where)
        (container,) = fields["containers"]
        made_of = {"model": spec.version.uri} | _pod_fields(spec, SHARED)
        told = {"name": PODS_VARIABLE, "value": fingerprint(made_of)}
        return fields | {"containers": [container | {"env": [*container["env"], told]}]}


def _pod_fields(spec: RevisionSpec, where: Placement) -> dict[str, Any]:
    environment = variables(spec.runtime.environment(spec.deployment))
    arguments = spec.runtime.arguments(spec.deployment)
    return {
        "serviceAccountName": MODELS,
        "securityContext": POD_SECURITY,
        "terminationGracePeriodSeconds": grace_seconds(spec),
        **placed(spec, where),
        "containers": [
            {
                "name": MAIN,
                **({"args": arguments} if arguments else {}),
                "env": environment,
                **container_fields(spec),
            }
        ],
    }


def weight_for(percent: int) -> int:
    """The canary's weight whose share beside STABLE_WEIGHT is `percent`, of 0 to 99; never 0."""
    return max(FIRST_WEIGHT, round(STABLE_WEIGHT * percent / (100 - percent)))


def _weighed(transition: Transition, spec: RevisionSpec, weight: int, phase: str) -> ClusterChange:
    return _marked(transition, spec.name, phase, _weight(weight))


def taken_over(transition: Transition, name: str, weight: int | None = None) -> ClusterChange:
    """A member that is not the canary says whose the group's traffic is now."""
    return _marked(transition, name, SHIFTING, {} if weight is None else _weight(weight))


def _marked(transition: Transition, name: str, phase: str, change: dict[str, Any]) -> ClusterChange:
    annotations = {"metadata": {"annotations": marks(transition, phase)}}
    return merged(llm_path(transition.tenant_id, name), annotations | change)


def _weight(weight: int) -> dict[str, Any]:
    return {"spec": {"router": {"route": {"weight": weight}}}}


def _whole(spec: RevisionSpec) -> dict[str, Any]:
    size = scaling(spec.settings.autoscaling)["minReplicas"]
    return {"spec": _weight(STABLE_WEIGHT)["spec"] | {"replicas": size}}


def _path(spec: RevisionSpec) -> str:
    return llm_path(spec.tenant_id, spec.name)
