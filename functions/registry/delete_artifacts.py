"""Event `ModelVersionDeleted`: remove the version's files from the registry."""

from typing import Any, Self

from controlplane.registry.keys import registry_prefix
from controlplane.runtime.observability import logger
from controlplane.runtime.tasks import TaskInput, task
from controlplane.runtime.wiring.registry import artifacts


class DeletedVersion(TaskInput):
    tenant_id: str
    project: str
    model: str
    model_version: int

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        metadata = event["detail"]["metadata"]
        return cls(
            correlation_id=metadata["correlation_id"],
            causation_id=metadata["id"],
            tenant_id=metadata["tenant_id"],
            **event["detail"]["data"],
        )

    def log_context(self) -> dict[str, str]:
        return {"tenant_id": self.tenant_id, "project": self.project, "model": self.model}


@task(DeletedVersion.parse)
def lambda_handler(given: DeletedVersion) -> None:
    prefix = registry_prefix(given.tenant_id, given.project, given.model, given.model_version)
    deleted = artifacts().delete_prefix(prefix)
    logger.info("artifacts deleted", extra={"version": given.model_version, "objects": deleted})
