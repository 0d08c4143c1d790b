"""Versions as the registry knows them, without the way they came."""

from datetime import UTC, datetime
from typing import Any

from controlplane.registry.model import ModelVersion

MOMENT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def a_version(number: int = 1, **more: Any) -> ModelVersion:
    """A sound version of the model `digits`."""
    given: dict[str, Any] = {
        "model": "digits",
        "number": number,
        "uri": f"s3://models/registry/tenant-acme/vision/digits/{number}",
        "format": "sklearn",
        "files": [{"path": "model.joblib", "size": 3, "sha256": "0" * 64}],
        "size": 3,
        "digest": "d" * 64,
        "source": {"key": "models/acme/vision/digits/x", "version_id": "v", "upload_id": "u-1"},
        "position": f"2026-03-02T09:15:00Z#{number:032X}",
        "registered_at": MOMENT,
    }
    return ModelVersion.model_validate(given | more)
