"""How an arrived upload becomes a version: the steps of the state machine `VersionRegistration`.

Every step may be repeated, by the same execution or by another one that the same arrival started: what has been
done is found in the upload's item and returned as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.errors import NotFoundError, QuotaExceededError, UploadRejectedError
from controlplane.identifiers import now
from controlplane.limits import Limits, Reservation
from controlplane.registry.arrival import (
    Arrival,
    Contents,
    FileToCopy,
    begin_attempt,
    digest_mismatch,
    files_by_path,
    find_attempt,
    inspect_contents,
    may_start,
    over_limit,
    require_own_project,
    source_of,
)
from controlplane.registry.keys import (
    UploadKey,
    is_within_upload,
    parse_upload_key,
    registry_prefix,
)
from controlplane.registry.metadata import KeptMetadata
from controlplane.registry.model import (
    Model,
    ModelVersion,
    ModelVersionRegistered,
    RegisteredFile,
    VersionSource,
    digest_of,
)
from controlplane.registry.ports import (
    ArtifactStore,
    ModelRepository,
    ProjectDirectory,
    UploadRepository,
)
from controlplane.registry.refusals import (
    end_upload,
    record_rejected,
    unknown_project,
    vanished,
)
from controlplane.registry.scan import Scan, require_safe
from controlplane.registry.signing import verify_signature
from controlplane.registry.signing_ports import SignatureVerifier, SigningKeyRepository
from controlplane.registry.upload import Upload, UploadOrigin, UploadState


@dataclass(frozen=True)
class UploadReference:
    """Which upload an execution works on, and the version number that is allotted to it."""

    tenant_id: str
    project: str
    model: str
    upload_id: str
    model_version: int


@dataclass(frozen=True)
class CheckedUpload:
    """What a check came to. Only an upload that is `Copying` goes on; `reference` is set then."""

    state: UploadState | None
    reference: UploadReference | None = None
    files: tuple[FileToCopy, ...] = ()


@dataclass(frozen=True)
class CopiedFile:
    """A file in the registry, with its size in bytes and the SHA-256 that S3 computed, hexadecimal.

    `scan_as` is as in FileToCopy; `scan` is None until it was scanned, or where it need not be.
    """

    path: str
    size: int
    sha256: str
    version_id: str | None = None
    scan_as: str | None = None
    scan: Scan | None = None


def check_upload(
    arrival: Arrival,
    *,
    projects: ProjectDirectory,
    models: ModelRepository,
    uploads: UploadRepository,
    artifacts: ArtifactStore,
    signing_keys: SigningKeyRepository,
    verifier: SignatureVerifier,
) -> CheckedUpload:
    """Decide what an arrived object is, check it and its signature, and allot a version number if it is sound.

    Raises ConcurrentChangeError when somebody else changed the upload or the model meanwhile: check again.
    """
    if is_within_upload(arrival.key):
        return CheckedUpload(None)
    try:
        key = parse_upload_key(arrival.key)
        allowance = projects.find_allowance(key.tenant_id, key.project)
        if allowance is None:
            raise unknown_project(key.project)
        stored = artifacts.find_object(arrival.key, arrival.version_id)
        if stored is None:
            raise vanished(arrival.key)
    except UploadRejectedError as rejected:
        record_rejected(arrival, rejected, uploads)
        return CheckedUpload(UploadState.REJECTED)

    source = source_of(stored, arrival.sequencer)
    upload_id, known = find_attempt(key.tenant_id, key, source, uploads)
    known = known.seen_at(stored.modified_at) if known else None
    if not may_start(known, source, arrival.execution):
        return _nothing_to_do(known)
    attempt = begin_attempt(upload_id, known, key, source, arrival.execution)
    try:
        if known is not None and known.origin is UploadOrigin.API:
            require_own_project(known, key.project, allowance)
        announced = known.announced if known else None
        contents = inspect_contents(key, source, announced, allowance, artifacts)
        signature = verify_signature(
            key.tenant_id, key.project, contents.manifest, keys=signing_keys, verifier=verifier
        )
    except UploadRejectedError as rejected:
        end_upload(
            key.tenant_id, key.project, attempt, known, UploadState.REJECTED, rejected, uploads
        )
        return CheckedUpload(UploadState.REJECTED)
    since = allowance.project_created_at
    attempt = attempt.model_copy(update={"signature": signature, "project_created_at": since})
    return _allot(key, attempt, known, contents, models, uploads)


def copy_file(
    reference: UploadReference, file: FileToCopy, *, artifacts: ArtifactStore
) -> CopiedFile:
    """Copy one checked object version to where no tenant can write."""
    copied = artifacts.copy_object(file.key, file.version_id, _prefix(reference) + file.path)
    return CopiedFile(file.path, copied.size, copied.sha256 or "", copied.version_id, file.scan_as)


def register_version(
    reference: UploadReference,
    copies: Sequence[CopiedFile],
    execution: str,
    *,
    projects: ProjectDirectory,
    models: ModelRepository,
    uploads: UploadRepository,
    artifacts: ArtifactStore,
) -> UploadState:
    """Record the version if every copy is what the manifest said and the tenant has room for it.

    Else refuse it and remove the copies.
    """
    upload = uploads.get(
        reference.tenant_id, reference.project, reference.model, reference.upload_id
    )
    if upload.state is not UploadState.COPYING or upload.execution != execution:
        return upload.state
    try:
        _compare(upload, copies)
        allowance = projects.find_allowance(reference.tenant_id, reference.project)
        if allowance is None:
            raise unknown_project(reference.project)
        require_own_project(upload, reference.project, allowance)
        version = _version(reference, upload, copies, artifacts.bucket)
        _register(reference, upload, version, allowance.limits, models, uploads)
    except UploadRejectedError as rejected:
        artifacts.delete_prefix(_prefix(reference))
        end_upload(
            reference.tenant_id,
            reference.project,
            upload,
            upload,
            UploadState.REJECTED,
            rejected,
            uploads,
        )
        return UploadState.REJECTED
    return UploadState.REGISTERED


def _nothing_to_do(known: Upload | None) -> CheckedUpload:
    """The upload's own state, but not `Copying`: another execution has that in hand."""
    if known is None or known.state is UploadState.COPYING:
        return CheckedUpload(None)
    return CheckedUpload(known.state)


def _allot(
    key: UploadKey,
    attempt: Upload,
    known: Upload | None,
    contents: Contents,
    models: ModelRepository,
    uploads: UploadRepository,
) -> CheckedUpload:
    sound = {
        "state": UploadState.COPYING,
        "format": contents.format,
        "framework_version": contents.framework_version,
        "files": contents.declared,
        "metadata": contents.metadata,
    }
    if known is not None and known.state is UploadState.COPYING and known.model_version:
        number = known.model_version  # this execution's own, whose answer was lost
    else:
        model = models.find(key.tenant_id, key.project, key.model)
        number = model.allotted + 1 if model else 1
        allotted = attempt.model_copy(update=sound | {"model_version": number})
        uploads.allot_version(key.tenant_id, key.project, allotted, known, model)
    reference = UploadReference(key.tenant_id, key.project, key.model, attempt.upload_id, number)
    return CheckedUpload(UploadState.COPYING, reference, contents.files)


def _compare(upload: Upload, copies: Sequence[CopiedFile]) -> None:
    declared = files_by_path(upload.files)
    for copy in copies:
        wanted = declared.get(copy.path)
        if wanted is not None and copy.sha256 != wanted.sha256:
            raise digest_mismatch(copy.path, copy.sha256, wanted.sha256)


def _register(
    reference: UploadReference,
    upload: Upload,
    version: ModelVersion,
    limits: Limits,
    models: ModelRepository,
    uploads: UploadRepository,
) -> None:
    found = models.find(reference.tenant_id, reference.project, reference.model)
    model = found if found and found.versions else _anew(reference.model, found)
    event = ModelVersionRegistered(
        tenant_id=reference.tenant_id,
        project=reference.project,
        model=reference.model,
        model_version=version.number,
        uri=version.uri,
        digest=version.digest,
        format=version.format,
        position=version.position,
    )
    room = [
        Reservation("stored_bytes", version.size, limits.stored_bytes),
        Reservation("models", 0 if model.versions else 1, limits.models),
    ]
    try:
        uploads.register(
            reference.tenant_id, reference.project, upload, version, model, event, room
        )
    except NotFoundError as gone:
        raise unknown_project(reference.project) from gone
    except QuotaExceededError as exceeded:
        raise over_limit(exceeded) from exceeded


def _anew(name: str, gone: Model | None) -> Model:
    """A model's beginning. Of one whose versions are all deleted, its numbers alone go on."""
    if gone is None:
        return Model(name=name, created_at=now())
    return gone.model_copy(update={"created_at": now(), "tags": {}})


def _version(
    reference: UploadReference, upload: Upload, copies: Sequence[CopiedFile], bucket: str
) -> ModelVersion:
    if upload.source is None or upload.format is None:
        raise TypeError(f"upload {upload.upload_id} is Copying without a source or a format")
    files = tuple(
        RegisteredFile(path=c.path, size=c.size, sha256=c.sha256, version_id=c.version_id)
        for c in copies
    )
    return ModelVersion(
        model=reference.model,
        number=reference.model_version,
        uri=f"s3://{bucket}/{_prefix(reference)}".rstrip("/"),
        format=upload.format,
        framework_version=upload.framework_version,
        files=files,
        size=sum(file.size for file in files),
        digest=digest_of(files),
        source=VersionSource(
            key=upload.source.key,
            version_id=upload.source.version_id,
            upload_id=reference.upload_id,
        ),
        position=upload.source.position,
        registered_at=now(),
        registered_by=upload.created_by,
        scan=require_safe(upload.format, {copy.path: copy.scan for copy in copies}),
        signature=upload.signature,
        **_told(upload.metadata),
    )


def _told(metadata: KeptMetadata | None) -> dict[str, Any]:
    """What the manifest tells of the version, field by field."""
    return dict(metadata) if metadata else {}


def _prefix(reference: UploadReference) -> str:
    return registry_prefix(
        reference.tenant_id, reference.project, reference.model, reference.model_version
    )
