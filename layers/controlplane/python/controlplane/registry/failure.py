"""Recording that a registration could not be finished, which is no fault of the upload."""

from controlplane.errors import UploadRejectedError
from controlplane.registry.arrival import (
    Arrival,
    begin_attempt,
    find_attempt,
    may_start,
    source_of,
)
from controlplane.registry.keys import is_within_upload, parse_upload_key, registry_prefix
from controlplane.registry.ports import ArtifactStore, UploadRepository
from controlplane.registry.refusals import end_upload, record_rejected
from controlplane.registry.upload import SourceObject, Upload, UploadState


def fail_upload(
    arrival: Arrival,
    error: str,
    *,
    uploads: UploadRepository,
    artifacts: ArtifactStore,
) -> None:
    """Record that an execution could not finish its upload, which is no fault of the upload.

    Does nothing when the upload has ended already or another execution works on it.
    """
    failure = UploadRejectedError(
        "RegistrationFailed",
        f"the registration could not be finished: {error}",
        remedy="Upload the file (or the manifest) again; if it fails again, tell the platform's administrators.",
    )
    if is_within_upload(arrival.key):
        return
    try:
        key = parse_upload_key(arrival.key)
    except UploadRejectedError as rejected:
        record_rejected(arrival, rejected, uploads)
        return
    stored = artifacts.find_object(arrival.key, arrival.version_id)
    if stored is None:
        record_rejected(arrival, failure, uploads)
        return
    source = source_of(stored, arrival.sequencer)
    upload_id, known = find_attempt(key.tenant_id, key, source, uploads)
    if _has_failed(known, source) or not may_start(known, source, arrival.execution):
        return
    attempt = begin_attempt(upload_id, known, key, source, arrival.execution)
    if attempt.model_version is not None:
        number = attempt.model_version
        artifacts.delete_prefix(registry_prefix(key.tenant_id, key.project, key.model, number))
    end_upload(key.tenant_id, key.project, attempt, known, UploadState.FAILED, failure, uploads)


def _has_failed(known: Upload | None, source: SourceObject) -> bool:
    """Whether this failure is recorded: Step Functions tells of a failed execution that recorded it itself, too."""
    if known is None or known.state is not UploadState.FAILED or known.source is None:
        return False
    return known.source.version_id == source.version_id
