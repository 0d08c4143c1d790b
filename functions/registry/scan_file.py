"""State machine task: look into one copied file, which nobody unpickles before."""

from dataclasses import asdict
from typing import Any

from controlplane.registry.scanning import scan_file
from controlplane.runtime.registrations import ScanInput
from controlplane.runtime.tasks import task
from controlplane.runtime.wiring.registry import artifact_scanner, artifacts


@task(ScanInput.model_validate)
def lambda_handler(given: ScanInput) -> dict[str, Any]:
    scan = scan_file(
        given.reference, given.copied, artifacts=artifacts(), scanner=artifact_scanner()
    )
    return asdict(given.copied) | {"scan": scan.model_dump(mode="json")}
