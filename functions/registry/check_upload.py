"""State machine task: find out what an arrived object is, check it, and allot a version number."""

from typing import Any

from pydantic import TypeAdapter

from controlplane.registry.registration import CheckedUpload, check_upload
from controlplane.runtime.registrations import ArrivalInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.registry import (
    artifacts,
    model_repository,
    project_directory,
    signature_verifier,
    signing_key_repository,
    upload_repository,
)

OUTPUT = TypeAdapter(CheckedUpload)


@task(ArrivalInput.parse)
def lambda_handler(given: ArrivalInput) -> dict[str, Any]:
    checked = check_upload(
        given.arrival,
        projects=project_directory(),
        models=model_repository(),
        uploads=upload_repository(),
        artifacts=artifacts(),
        signing_keys=signing_key_repository(),
        verifier=signature_verifier(),
    )
    output: dict[str, Any] = OUTPUT.dump_python(checked, mode="json")
    return output | {"correlation_id": given.correlation_id}
