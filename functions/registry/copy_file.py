"""State machine task: copy one checked file to where no tenant can write."""

from dataclasses import asdict
from typing import Any

from controlplane.registry.registration import copy_file
from controlplane.runtime.registrations import CopyInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.registry import artifacts


@task(CopyInput.model_validate)
def lambda_handler(given: CopyInput) -> dict[str, Any]:
    return asdict(copy_file(given.reference, given.file, artifacts=artifacts()))
