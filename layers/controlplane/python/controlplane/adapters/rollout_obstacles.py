"""What of the cluster stands against a rollout, before its first write."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from controlplane.adapters.cluster_facts import FactReader, find_runtime, list_nodes
from controlplane.adapters.kserve_predictors import gpus_of
from controlplane.adapters.kubernetes_api import KubernetesApi
from controlplane.adapters.node_offers import offers_gpus
from controlplane.adapters.quota_room import find_shortages
from controlplane.adapters.rollout_changes import Surroundings
from controlplane.reasons import Reason
from controlplane.serving.cluster_ports import Mechanism, Transition
from controlplane.serving.load_failures import remedy_for
from controlplane.serving.ports import RevisionSpec
from controlplane.serving.runtimes import ServiceKind
from controlplane.serving.settings import ScaleMetric

Object = Mapping[str, Any]


def find_obstacles(
    api: KubernetesApi, transition: Transition, around: Surroundings
) -> Sequence[Reason]:
    """Everything at once, so that people do not find one after the other."""
    spec = transition.canary
    runtime = None
    found = [*_autoscaling(transition), *_headers(transition)]
    if spec.runtime.kind is ServiceKind.INFERENCE_SERVICE:
        runtime = find_runtime(api, transition.tenant_id, spec.runtime.name)
        found += _runtime(spec, runtime)
    found += _gpus(api, spec, around)
    found += find_shortages(api.as_deployer(transition.tenant_id), transition, around, runtime)
    return found


def _runtime(spec: RevisionSpec, runtime: Object | None) -> Iterator[Reason]:
    name = spec.runtime.name
    if runtime is None:
        yield _reason("RuntimeNotRecognized", f"the cluster has no serving runtime {name}")
        return
    fields = runtime.get("spec") or {}
    formats = {each.get("name") for each in fields.get("supportedModelFormats") or []}
    if fields.get("disabled"):
        yield _reason("RuntimeDisabled", f"the serving runtime {name} is disabled")
    if spec.runtime.model_format not in formats:
        known = ", ".join(sorted(map(str, formats))) or "nothing"
        message = f"the cluster's {name} serves {known}, not {spec.runtime.model_format}"
        yield _reason("NoSupportingRuntime", message)


def _reason(code: str, message: str) -> Reason:
    return Reason(code=code, message=message, remedy=remedy_for(code))


def _autoscaling(transition: Transition) -> Iterator[Reason]:
    """In Standard mode sizes follow a HorizontalPodAutoscaler: it knows CPU and memory, and no zero."""
    if transition.mechanism is Mechanism.KNATIVE:
        return
    wanted = transition.canary.settings.autoscaling
    if wanted.min_replicas == 0:
        yield Reason(
            code="CannotScaleToZero",
            message="nothing in this cluster would wake a model that has no pods",
            remedy="Set min_replicas to 1, or stop the deployment while nobody needs it.",
        )
    if wanted.metric in (ScaleMetric.CONCURRENCY, ScaleMetric.RPS):
        yield Reason(
            code="ScaleMetricUnsupported",
            message=f"models are not scaled by {wanted.metric} here, which Knative alone counts",
            remedy="Set the metric to cpu or memory.",
        )


def _headers(transition: Transition) -> Iterator[Reason]:
    if transition.headers and transition.mechanism is not Mechanism.ROUTE:
        yield Reason(
            code="HeadersUnsupported",
            message=f"a deployment of the mechanism {transition.mechanism} cannot be told apart by header",
            remedy="Remove the deployment's header rules, or use a cluster with routes of our own.",
        )


def _gpus(api: KubernetesApi, spec: RevisionSpec, around: Surroundings) -> Iterator[Reason]:
    if not gpus_of(spec):
        return
    reader = FactReader(api)
    nodes, pools = list_nodes(reader)
    tenant = spec.tenant_id if around.where.dedicated else None
    kind = spec.settings.resources.gpu_type
    if offers_gpus(nodes, pools, kind, tenant):
        return
    if reader.hidden:
        yield Reason(
            code="NotAllowedToRead",
            message=f"Headrace's account may not read {' and '.join(sorted(reader.hidden))}",
            remedy="Apply cluster/headrace/roles.yaml of this release.",
        )
        return
    yield Reason(
        code="GpuTypeMissing",
        message=f"no node and no NodePool offers {f'GPUs of type {kind}' if kind else 'GPUs'}",
        remedy="Ask for a type that the cluster has, or let a NodePool bring such nodes.",
    )
