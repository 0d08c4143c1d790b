"""InferenceServices and pods for the tests."""

from datetime import UTC, datetime
from typing import Any

from local.kserve_controller.pods import Pod, Termination

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)
NAMESPACE = "tenant-acme"
FAILED = Termination(exit_code=1, message="cannot load model m: EOFError", at=NOW)


def inference_service(
    name: str = "vision--digits--v1",
    *,
    uri: str = "s3://models/digits",
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    **model: Any,
) -> dict[str, Any]:
    """An InferenceService as Headrace applies it; `model` overrides fields of the model."""
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"networking.kserve.io/visibility": "cluster-local"}
            if labels is None
            else labels,
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                **(annotations or {}),
            },
        },
        "spec": {
            "predictor": {
                "model": {
                    "modelFormat": {"name": "sklearn"},
                    "runtime": "kserve-sklearnserver",
                    "protocolVersion": "v2",
                    "storageUri": uri,
                    "args": ["--model_name=digits"],
                    **model,
                }
            }
        },
    }


def stored(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with what the API server adds."""
    return manifest | {"metadata": manifest["metadata"] | {"uid": "u-1", "generation": 1}}


def pod(name: str = "p-predictor-new-1", template: str = "new", **changes: Any) -> Pod:
    """A pod whose first server is still starting."""
    fields: dict[str, Any] = {
        "name": name,
        "template": template,
        "port": 4711,
        "created_at": NOW,
        "running": True,
        "ready": False,
        "was_ready": False,
        "retiring": False,
        "exhausted": False,
        "restarts": 0,
        "last_termination": None,
    }
    return Pod(**(fields | changes))


READY: dict[str, Any] = {"ready": True, "was_ready": True}
CRASHED: dict[str, Any] = {"running": False, "port": None, "last_termination": FAILED}
