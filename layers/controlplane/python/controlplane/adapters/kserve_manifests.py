"""The InferenceService as Headrace writes it.

Every list in it is atomic, so an object is always written whole.
"""

from typing import Any

from controlplane.adapters.kserve_predictors import SHARED, predictor, scaling
from controlplane.adapters.tenant_namespaces import Placement
from controlplane.adapters.tenant_objects import tenant_labels
from controlplane.identifiers import serving_namespace
from controlplane.serving.ports import RevisionSpec

DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"
VISIBILITY = "networking.kserve.io/visibility"
STOP = "serving.kserve.io/stop"
# Beside STOP on what was stopped with its tenant, so that it is started again with it, and nothing else.
SUSPENDED = "headrace.dev/suspended"
ROLLOUT = "headrace.dev/rollout"
SUSPENSION = {STOP: "true", SUSPENDED: "true"}


def inference_service(
    spec: RevisionSpec, where: Placement = SHARED, floor: int = 0, taken_by: str = ""
) -> dict[str, Any]:
    """One revision: Standard mode, and cluster-local so that KServe makes no route of its own.

    It has at least `floor` replicas. `taken_by`: the rollout that took the object up, this one where nothing is
    said. It is another one for an object that was left to retire, so that a deletion that comes late is refused; and
    the same as before for one whose pods are to stay: KServe copies annotations into their template.
    """
    taken = {ROLLOUT: taken_by or spec.rollout_id}
    labels = {"headrace.dev/version": str(spec.version.number), VISIBILITY: "cluster-local"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": spec.name,
            "namespace": serving_namespace(spec.tenant_id),
            "labels": deployment_labels(spec.tenant_id, spec.project, spec.deployment) | labels,
            "annotations": {DEPLOYMENT_MODE: "Standard"} | taken | run_annotations(where),
        },
        "spec": {
            "predictor": predictor(spec, where) | scaling(spec.settings.autoscaling, floor),
        },
    }


def run_annotations(where: Placement) -> dict[str, str]:
    """Whether it is to run: written either way, so that a stopped one starts again."""
    return dict(SUSPENSION) if where.stopped else {STOP: "false"}


def deployment_labels(tenant_id: str, project: str, deployment: str) -> dict[str, str]:
    return tenant_labels(tenant_id) | {
        "headrace.dev/project": project,
        "headrace.dev/deployment": deployment,
    }
