"""The input of functions that an event about a deployment starts."""

from typing import Any, Self

from controlplane.runtime.tasks import TaskInput


class DeploymentEventInput(TaskInput):
    """Which deployment an event is about."""

    tenant_id: str
    project: str
    deployment: str

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        """From our own event as the bus delivers it."""
        metadata, data = event["detail"]["metadata"], event["detail"]["data"]
        return cls(
            correlation_id=metadata["correlation_id"],
            causation_id=metadata["id"],
            tenant_id=metadata["tenant_id"],
            project=data["project"],
            deployment=data["deployment"],
        )

    def log_context(self) -> dict[str, str]:
        return {
            "tenant_id": self.tenant_id,
            "project": self.project,
            "deployment": self.deployment,
        }
