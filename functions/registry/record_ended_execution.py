"""Step Functions' status-change event: record what a registration left behind that died without a word."""

import json
from typing import Any

from controlplane.registry.failure import fail_upload
from controlplane.runtime.registrations import FailedArrivalInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.registry import artifacts, upload_repository


def parse(event: dict[str, Any]) -> FailedArrivalInput:
    detail = event["detail"]
    started_by = {"event": json.loads(detail["input"]), "execution": detail["executionArn"]}
    return FailedArrivalInput.parse(started_by | {"error": f"its execution {detail['status']}"})


@task(parse)
def lambda_handler(given: FailedArrivalInput) -> None:
    fail_upload(given.arrival, given.error, uploads=upload_repository(), artifacts=artifacts())
