"""Recording what became no version, so that its owner can read why."""

from controlplane.errors import UploadRejectedError
from controlplane.reasons import Reason
from controlplane.registry.arrival import Arrival
from controlplane.registry.keys import tenant_of
from controlplane.registry.model import UploadEnded
from controlplane.registry.ports import UploadRepository
from controlplane.registry.upload import RejectedUpload, Upload, UploadState


def end_upload(
    tenant_id: str,
    project: str,
    upload: Upload,
    known: Upload | None,
    state: UploadState,
    why: UploadRejectedError,
    uploads: UploadRepository,
) -> None:
    reason = Reason(code=why.reason, message=str(why), remedy=why.remedy)
    event = UploadEnded(
        tenant_id=tenant_id,
        project=project,
        model=upload.model,
        upload_id=upload.upload_id,
        state=state,
        reason=reason.code,
    )
    uploads.end(tenant_id, project, upload.ended(state, reason), known, event)


def record_rejected(arrival: Arrival, why: UploadRejectedError, uploads: UploadRepository) -> None:
    reason = Reason(code=why.reason, message=str(why), remedy=why.remedy)
    rejected = RejectedUpload(
        key=arrival.key,
        version_id=arrival.version_id or arrival.sequencer,
        arrived_at=arrival.arrived_at,
        reason=reason,
    )
    uploads.record_rejected(tenant_of(arrival.key), rejected)


def unknown_project(project: str) -> UploadRejectedError:
    return UploadRejectedError(
        "UnknownProject",
        f"there is no project {project}",
        remedy="Create the project, then upload again.",
    )


def vanished(key: str) -> UploadRejectedError:
    return UploadRejectedError(
        "ObjectGone",
        f"{key} was deleted before it could be read",
        remedy="Upload it again.",
    )
