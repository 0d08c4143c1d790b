"""Step Functions' status-change event: record what a rollout left behind that died without a word."""

import json
from typing import Any, Self

from controlplane.runtime.rollout_counts import count_ended_rollout
from controlplane.runtime.rollouts import OpeningInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.metrics import evidence_store
from controlplane.runtime.wiring.serving import (
    deployment_repository,
    limit_directory,
    serving_policies,
)
from controlplane.serving.ended_execution import keep_missing_evidence, record_ended_execution
from controlplane.serving.states import RolloutState


class EndedExecution(OpeningInput):
    status: str

    @classmethod
    def parse(cls, event: dict[str, Any]) -> Self:
        detail = event["detail"]
        started_by = {"event": json.loads(detail["input"]), "execution": detail["executionArn"]}
        opening = OpeningInput.parse(started_by)
        return cls(**dict(opening), status=detail["status"])


@task(EndedExecution.parse)
def lambda_handler(given: EndedExecution) -> None:
    ended = record_ended_execution(
        given.tenant_id,
        given.project,
        given.deployment,
        given.execution,
        given.status,
        given.registered,
        deployments=deployment_repository(),
        limits=limit_directory(),
        policies=serving_policies(),
    )
    if ended is not None:
        count_ended_rollout(RolloutState.FAILED)
    keep_missing_evidence(
        given.tenant_id,
        given.project,
        given.deployment,
        deployments=deployment_repository(),
        evidence=evidence_store(),
    )
