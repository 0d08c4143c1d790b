"""State machine task: record the version, if every copy is what the manifest said."""

from typing import Any

from controlplane.registry.registration import register_version
from controlplane.runtime.registrations import RegisterInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.registry import (
    artifacts,
    model_repository,
    project_directory,
    upload_repository,
)


@task(RegisterInput.model_validate)
def lambda_handler(given: RegisterInput) -> dict[str, Any]:
    state = register_version(
        given.reference,
        given.copies,
        given.execution,
        projects=project_directory(),
        models=model_repository(),
        uploads=upload_repository(),
        artifacts=artifacts(),
    )
    return {"state": state, "model_version": given.reference.model_version}
