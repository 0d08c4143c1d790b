"""State machine task: record that a registration could not be finished."""

from controlplane.registry.failure import fail_upload
from controlplane.runtime.registrations import FailedArrivalInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.registry import artifacts, upload_repository


@task(FailedArrivalInput.parse)
def lambda_handler(given: FailedArrivalInput) -> None:
    fail_upload(given.arrival, given.error, uploads=upload_repository(), artifacts=artifacts())
