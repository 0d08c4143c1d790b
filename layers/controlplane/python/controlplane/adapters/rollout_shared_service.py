"""What Knative and `spec.canary` have in common: one InferenceService for all revisions of a deployment."""

from typing import Any

from controlplane.adapters.cluster_paths import service_path
from controlplane.adapters.kserve_manifests import (
    DEPLOYMENT_MODE,
    deployment_labels,
    run_annotations,
)
from controlplane.adapters.rollout_changes import Surroundings
from controlplane.identifiers import route_name, serving_namespace
from controlplane.serving.cluster_ports import Transition
from controlplane.serving.ports import RevisionSpec

KNATIVE, STANDARD = "Knative", "Standard"


def shared_service(
    spec: RevisionSpec,
    around: Surroundings,
    mode: str,
    annotations: dict[str, str],
    **fields: Any,
) -> dict[str, Any]:
    """The deployment's InferenceService, of which `spec` is the revision that its predictor is made of."""
    labels = version_label(spec)
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": route_name(spec.project, spec.deployment),
            "namespace": serving_namespace(spec.tenant_id),
            "labels": deployment_labels(spec.tenant_id, spec.project, spec.deployment) | labels,
            "annotations": {
                DEPLOYMENT_MODE: mode,
                **run_annotations(around.where),
                **annotations,
            },
        },
        "spec": fields,
    }


def version_label(spec: RevisionSpec) -> dict[str, str]:
    """By which the figures of a revision's pods are told from others'."""
    return {"headrace.dev/version": str(spec.version.number)}


def shared_path(transition: Transition) -> str:
    name = route_name(transition.project, transition.deployment)
    return service_path(transition.tenant_id, name)
