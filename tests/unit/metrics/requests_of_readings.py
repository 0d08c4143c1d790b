"""What a rollout asks a metric source."""

from datetime import UTC, datetime, timedelta
from typing import Any

from controlplane.serving.analysis import AnalysisPolicy
from controlplane.serving.cluster_ports import Mechanism
from controlplane.serving.metric_ports import ReadingRequest

CANARY, STABLE = "vision--digits--v2", "vision--digits--v1"


def reading_request(**changes: Any) -> ReadingRequest:
    policy = AnalysisPolicy.model_validate(changes.pop("policy", {}))
    fields: dict[str, Any] = {
        "tenant_id": "acme",
        "project": "vision",
        "deployment": "digits",
        "mechanism": Mechanism.ROUTE,
        "canary": CANARY,
        "stable": STABLE,
        "since": datetime.now(UTC) - timedelta(minutes=10),
        "mirrored": False,
        "policy": policy,
    }
    return ReadingRequest(**(fields | changes))
