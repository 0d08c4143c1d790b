"""Event `RolloutEnded`: make a version that was promoted the champion of its model."""

from datetime import datetime
from typing import Any, Self

from controlplane.registry.moves import Promotion, follow_promotion
from controlplane.runtime.observability import logger
from controlplane.runtime.tasks import TaskInput, task
from controlplane.runtime.wiring.registry import alias_repository

PROMOTED = "Promoted"


class EndedRollout(TaskInput):
    tenant_id: str
    project: str
    model: str
    model_version: int
    rollout_id: str
    state: str
    ended_at: datetime

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        """From serving's event; one without a model is of a deployment that bears its model's name."""
        metadata, data = event["detail"]["metadata"], event["detail"]["data"]
        return cls(
            correlation_id=metadata["correlation_id"],
            causation_id=metadata["id"],
            tenant_id=metadata["tenant_id"],
            project=data["project"],
            model=data.get("model") or data["deployment"],
            model_version=data["model_version"],
            rollout_id=data["rollout_id"],
            state=data["state"],
            ended_at=metadata["time"],
        )

    def log_context(self) -> dict[str, str]:
        return {"tenant_id": self.tenant_id, "project": self.project, "model": self.model}


@task(EndedRollout.parse)
def lambda_handler(given: EndedRollout) -> None:
    if given.state != PROMOTED:
        return
    promotion = Promotion(
        given.project, given.model, given.model_version, given.rollout_id, given.ended_at
    )
    moved = follow_promotion(given.tenant_id, promotion, aliases=alias_repository())
    logger.info("champion follows", extra={"version": given.model_version, "moved": moved})
