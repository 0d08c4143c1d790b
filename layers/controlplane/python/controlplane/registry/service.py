"""What callers can do with models, versions and uploads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from controlplane.errors import (
    ConflictError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
)
from controlplane.identifiers import RESERVED_NAME, new_sortable_id, now
from controlplane.reasons import Reason
from controlplane.registry.keys import (
    MANIFEST,
    model_prefix,
    upload_prefix,
)
from controlplane.registry.manifest import Manifest, ManifestFile
from controlplane.registry.model import ModelVersionDeleted, UploadEnded, UploadOpened
from controlplane.registry.ports import (
    ModelRepository,
    PresignedPut,
    ProjectAllowance,
    ProjectDirectory,
    TemporaryCredentials,
    UploadAuthority,
    UploadRepository,
)
from controlplane.registry.upload import Upload, UploadOrigin, UploadState
from controlplane.requests import IdempotentRequest, require_version

# Requests are presigned with a session of the tenant's, of which so much is left at least (sts_tenant_clients).
UPLOAD_LIFETIME = timedelta(minutes=45)
CREDENTIALS_SECONDS = 3600


@dataclass(frozen=True)
class UploadTicket:
    """An upload, and the requests that complete it: the files in any order, the manifest last."""

    upload: Upload
    files: Sequence[tuple[ManifestFile, PresignedPut]]
    manifest: PresignedPut
    manifest_content: str


def create_upload(
    tenant_id: str,
    project: str,
    model: str,
    manifest: Manifest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    projects: ProjectDirectory,
    uploads: UploadRepository,
    authority: UploadAuthority,
) -> UploadTicket:
    """Open an upload of the files that the manifest lists.

    Raises NotFoundError for an unknown project, InvalidRequestError for a manifest that says it is for another model,
    LimitExceededError or QuotaExceededError for too much.
    """
    manifest.require_for(project, model)
    allowance = _allowance(tenant_id, project, model, projects)
    sizes = {file.path: file.size for file in manifest.files}
    allowance.check(sizes)
    created_at = now()
    wanted = Upload(
        upload_id=new_sortable_id("u"),
        model=model,
        origin=UploadOrigin.API,
        state=UploadState.PENDING,
        format=manifest.format,
        framework_version=manifest.framework_version,
        files=manifest.files,
        for_project=manifest.project,
        for_model=manifest.model,
        metadata=manifest.metadata,
        envelope=manifest.signature,
        created_at=created_at,
        created_by=created_by,
        project_created_at=allowance.project_created_at,
        deadline=created_at + UPLOAD_LIFETIME,
    )
    event = UploadOpened(
        tenant_id=tenant_id,
        project=project,
        model=model,
        upload_id=wanted.upload_id,
        opened_by=created_by,
    )
    upload = uploads.add(tenant_id, project, wanted, event, request)
    return _ticket(upload, upload_prefix(tenant_id, project, model, upload.upload_id), authority)


def cancel_upload(
    tenant_id: str,
    project: str,
    model: str,
    upload_id: str,
    if_match: int | None,
    *,
    uploads: UploadRepository,
) -> Upload:
    """Give up an upload that has not been completed; what was sent is removed by the bucket's lifecycle.

    Cancelling twice is harmless. Raises NotFoundError, PreconditionFailedError, ConflictError once it is being
    registered.
    """
    known = uploads.get(tenant_id, project, model, upload_id)
    require_version(if_match, known.version, f"upload {upload_id}")
    if known.state is UploadState.CANCELLED:
        return known
    if known.state is not UploadState.PENDING:
        raise ConflictError(
            f"upload {upload_id} is {known.state}: only a pending one can be cancelled"
        )
    reason = Reason(code="Cancelled", message="cancelled by its owner")
    cancelled = known.ended(UploadState.CANCELLED, reason)
    event = UploadEnded(
        tenant_id=tenant_id,
        project=project,
        model=model,
        upload_id=upload_id,
        state=UploadState.CANCELLED,
        reason=reason.code,
    )
    uploads.end(tenant_id, project, cancelled, known, event)
    return cancelled


def issue_upload_credentials(
    tenant_id: str,
    project: str,
    model: str,
    subject: str,
    *,
    projects: ProjectDirectory,
    authority: UploadAuthority,
) -> TemporaryCredentials:
    """AWS credentials that can write files of this one model, for an hour. Raises NotFoundError."""
    _allowance(tenant_id, project, model, projects)
    tags = [("tenant", tenant_id), ("project", project), ("model", model)]
    prefix = model_prefix(tenant_id, project, model)
    return authority.issue_credentials(prefix, subject, tags, CREDENTIALS_SECONDS)


def delete_version(
    tenant_id: str,
    project: str,
    model: str,
    number: int,
    deleted_by: str,
    if_match: int | None,
    *,
    models: ModelRepository,
) -> None:
    """Delete a version that nothing serves. Raises NotFoundError, PreconditionFailedError, InUseError."""
    of_model, version = models.get_with_version(tenant_id, project, model, number)
    require_version(if_match, version.version, f"version {number}")
    if version.served_by:
        raise InUseError(
            f"version {number} is held by deployment {', '.join(version.served_by)}",
            remedy="Roll the deployment out to another version and wait until the old revision has gone.",
        )
    if version.aliases:
        raise InUseError(
            f"version {number} is what {', '.join(version.aliases)} names",
            remedy="Move the alias to another version, or delete it.",
        )
    event = ModelVersionDeleted(
        tenant_id=tenant_id,
        project=project,
        model=model,
        model_version=number,
        deleted_by=deleted_by,
    )
    models.remove_version(tenant_id, project, of_model, version, event)


def _allowance(
    tenant_id: str, project: str, model: str, projects: ProjectDirectory
) -> ProjectAllowance:
    """What may be uploaded to a model. Raises NotFoundError, InvalidRequestError."""
    if model == RESERVED_NAME:
        raise InvalidRequestError(
            f"no model may be called {RESERVED_NAME}", remedy="Choose another name."
        )
    allowance = projects.find_allowance(tenant_id, project)
    if allowance is None:
        raise NotFoundError(f"there is no project {project}")
    return allowance


def _ticket(upload: Upload, prefix: str, authority: UploadAuthority) -> UploadTicket:
    manifest = upload.announced
    if upload.deadline is None or manifest is None:
        raise ConflictError(f"upload {upload.upload_id} was not opened to be completed")
    # Metrics and tags come back from a table in any order: a repeat is to hand out the same text.
    told = json.loads(manifest.model_dump_json(exclude_none=True))
    content = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    encoded = content.encode()
    described = ManifestFile.model_construct(
        path=MANIFEST, size=len(encoded), sha256=sha256(encoded).hexdigest()
    )
    deadline = upload.deadline
    return UploadTicket(
        upload=upload,
        files=[(f, authority.presign_put(prefix + f.path, f, deadline)) for f in upload.files],
        manifest=authority.presign_put(prefix + MANIFEST, described, deadline),
        manifest_content=content,
    )
