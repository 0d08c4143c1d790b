"""Step Functions' status-change event: record what a rollout left behind that died without a word."""

import json
from typing import Any, Self

from controlplane.runtime.rollouts import DeploymentInput, OpeningInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring import deployment_repository
from controlplane.serving.retirement import record_ended_execution


class EndedExecution(DeploymentInput):
    status: str

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        detail = event["detail"]
        started_by = {"event": json.loads(detail["input"]), "execution": detail["executionArn"]}
        opening = OpeningInput.parse(started_by)
        return cls(**opening.model_dump(exclude={"registered"}), status=detail["status"])


@task(EndedExecution.parse)
def lambda_handler(given: EndedExecution) -> None:
    record_ended_execution(
        given.tenant_id,
        given.project,
        given.deployment,
        given.execution,
        given.status,
        deployments=deployment_repository(),
    )
