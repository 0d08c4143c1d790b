"""An object that arrived in the inbox: which upload it completes, and whether what it completes is sound."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from controlplane.errors import InvalidRequestError, LimitExceededError, UploadRejectedError
from controlplane.identifiers import now
from controlplane.registry.formats import SUFFIXES, format_of
from controlplane.registry.keys import UploadKey
from controlplane.registry.manifest import Manifest, ManifestFile
from controlplane.registry.metadata import VersionMetadata
from controlplane.registry.model import position_of
from controlplane.registry.ports import (
    ArtifactStore,
    ProjectAllowance,
    StoredObject,
    UploadRepository,
)
from controlplane.registry.scan import needs_scan
from controlplane.registry.upload import SourceObject, Upload, UploadOrigin, UploadState
from controlplane.requests import digest

MAX_MANIFEST_BYTES = 256 * 1024
_FAULTY = frozenset({UploadState.REJECTED, UploadState.FAILED})


@dataclass(frozen=True)
class Arrival:
    """What S3's event says of a new object, and the state machine execution that looks at it.

    `arrived_at` is the event's own time, the same in every repeat.
    """

    key: str
    version_id: str | None
    sequencer: str
    arrived_at: datetime
    execution: str


@dataclass(frozen=True)
class FileToCopy:
    """One checked object version of an upload; `path` is its place in the model.

    `scan_as` is the model's format if the file is to be scanned as part of such a model, else None.
    """

    path: str
    key: str
    version_id: str
    size: int
    scan_as: str | None = None


@dataclass(frozen=True)
class Contents:
    """What an upload consists of. `declared` is empty for a plain file, which declares nothing.

    `metadata` is what its manifest tells of the version; `manifest` is all of it, None for a plain file.
    """

    format: str
    framework_version: str | None
    declared: tuple[ManifestFile, ...]
    files: tuple[FileToCopy, ...]
    metadata: VersionMetadata | None = None
    manifest: Manifest | None = None


def source_of(stored: StoredObject, sequencer: str) -> SourceObject:
    return SourceObject(
        key=stored.key,
        version_id=stored.version_id,
        size=stored.size,
        position=position_of(stored.modified_at, sequencer),
    )


def find_attempt(
    tenant_id: str, key: UploadKey, source: SourceObject, uploads: UploadRepository
) -> tuple[str, Upload | None]:
    """The upload that this source object belongs to: its identifier, and its item if there is one.

    A plain file is an upload of its own. A manifest is its folder's; a later manifest in a folder takes up an upload
    that came to nothing, and is a further upload otherwise. A repeat finds the one that it began.
    """
    derived = digest(source.key, source.version_id)[:16]
    if key.upload is None:
        upload_id = f"f-{derived}"
        return upload_id, uploads.find(tenant_id, key.project, key.model, upload_id)
    known = uploads.find(tenant_id, key.project, key.model, key.upload)
    if known is None or known.origin is UploadOrigin.API or _is_of(known, source):
        return key.upload, known
    further_id = f"m-{derived}"
    further = uploads.find(tenant_id, key.project, key.model, further_id)
    if further is None and _may_reopen(known, source):
        return key.upload, known
    return further_id, further


def may_start(known: Upload | None, source: SourceObject, execution: str) -> bool:
    """Whether an arrival starts work: not if it repeats one, nor if its upload was given up."""
    if known is None or known.state is UploadState.PENDING:
        return True
    if known.source is None:
        return False
    if known.source.version_id == source.version_id:
        own = known.state is UploadState.COPYING and known.execution == execution
        return own or known.state is UploadState.FAILED
    return _may_reopen(known, source)


def begin_attempt(
    upload_id: str, known: Upload | None, key: UploadKey, source: SourceObject, execution: str
) -> Upload:
    """The upload with what this execution works on; a new one for what nobody announced."""
    changes = {"source": source, "execution": execution, "reason": None}
    if known is not None:
        return known.model_copy(update=changes)
    origin = UploadOrigin.FILE if key.upload is None else UploadOrigin.FOLDER
    return Upload(
        upload_id=upload_id,
        model=key.model,
        origin=origin,
        state=UploadState.PENDING,
        created_at=now(),
        source=source,
        execution=execution,
    )


def require_own_project(upload: Upload, project: str, allowance: ProjectAllowance) -> None:
    """The project that is there must be the upload's, not a later one of that name. Raises UploadRejectedError.

    Who was let upload, and by which keys the signature was verified, is the earlier project's.
    """
    if upload.project_created_at not in (None, allowance.project_created_at):
        raise UploadRejectedError(
            "ProjectReplaced",
            f"the project {project} that this was uploaded to has been deleted, and another one made",
            remedy="Upload again, if it belongs to the present project too.",
        )


def inspect_contents(
    key: UploadKey,
    source: SourceObject,
    announced: Manifest | None,
    allowance: ProjectAllowance,
    artifacts: ArtifactStore,
) -> Contents:
    """Check that everything is there, as announced and declared, and within limits. Raises UploadRejectedError."""
    contents = (
        _plain_file(key.file, source)
        if key.file is not None
        else _manifest_contents(key, source, announced, allowance, artifacts)
    )
    _check_limits({file.path: file.size for file in contents.files}, allowance)
    files = (
        replace(file, scan_as=contents.format) if needs_scan(contents.format, file.path) else file
        for file in contents.files
    )
    return replace(contents, files=tuple(files))


def _is_of(known: Upload, source: SourceObject) -> bool:
    return known.source is None or known.source.version_id == source.version_id


def _may_reopen(known: Upload, source: SourceObject) -> bool:
    """Whether a further manifest takes up an upload that came to nothing: a later one does."""
    older = known.source
    return known.state in _FAULTY and older is not None and source.position > older.position


def _plain_file(file: str, source: SourceObject) -> Contents:
    model_format = format_of(file)
    if model_format is None:
        raise UploadRejectedError(
            "UnknownFormat",
            f"{file} has no suffix of a known model format",
            remedy=f"Use one of {', '.join(sorted(SUFFIXES))}, or upload with a manifest that names the format.",
        )
    if source.size == 0:
        raise UploadRejectedError("EmptyFile", f"{file} is empty", remedy="Upload the file again.")
    only = FileToCopy(file, source.key, source.version_id, source.size)
    return Contents(model_format, None, (), (only,))


def _manifest_contents(
    key: UploadKey,
    source: SourceObject,
    announced: Manifest | None,
    allowance: ProjectAllowance,
    artifacts: ArtifactStore,
) -> Contents:
    manifest = _read_manifest(source, artifacts)
    _require_announced(manifest, announced)
    _require_for(key, manifest)
    _check_limits({file.path: file.size for file in manifest.files}, allowance)
    files = [_check_file(key.folder, file, artifacts) for file in manifest.files]
    return Contents(
        manifest.format,
        manifest.framework_version,
        manifest.files,
        tuple(files),
        manifest.metadata,
        manifest,
    )


def _read_manifest(source: SourceObject, artifacts: ArtifactStore) -> Manifest:
    if source.size > MAX_MANIFEST_BYTES:
        raise _bad_manifest(f"it has {source.size} bytes, at most {MAX_MANIFEST_BYTES} are read")
    try:
        text = artifacts.read_text(source.key, source.version_id)
        return Manifest.model_validate_json(text)
    except UnicodeDecodeError as not_text:
        raise _bad_manifest("it is not UTF-8 text") from not_text
    except ValidationError as invalid:
        raise _bad_manifest(_first_fault(invalid)) from invalid


def _require_announced(manifest: Manifest, announced: Manifest | None) -> None:
    """Who opened an upload answers for what it becomes, and others can write into its folder."""
    if announced is None:
        return
    told = (manifest.meaning, manifest.signature)
    if told != (announced.meaning, announced.signature):
        raise UploadRejectedError(
            "ManifestNotAnnounced",
            "the manifest is not the one that the upload was opened with",
            remedy="Open another upload with this manifest, or send the content that came with the upload as it is.",
        )


def _require_for(key: UploadKey, manifest: Manifest) -> None:
    try:
        manifest.require_for(key.project, key.model)
    except InvalidRequestError as other:
        raise UploadRejectedError("OtherModel", str(other), remedy=other.remedy or "") from other


def _check_file(folder: str, declared: ManifestFile, artifacts: ArtifactStore) -> FileToCopy:
    stored = artifacts.find_object(folder + declared.path)
    if stored is None:
        raise UploadRejectedError(
            "MissingFile",
            f"the manifest lists {declared.path}, which was not uploaded",
            remedy="Upload the file, then the manifest again.",
        )
    if stored.size != declared.size:
        raise UploadRejectedError(
            "SizeMismatch",
            f"{declared.path} has {stored.size} bytes, the manifest says {declared.size}",
            remedy="Upload the file again or correct the manifest, then upload the manifest again.",
        )
    if stored.sha256 is not None and stored.sha256 != declared.sha256:
        raise digest_mismatch(declared.path, stored.sha256, declared.sha256)
    return FileToCopy(declared.path, stored.key, stored.version_id, stored.size)


def digest_mismatch(path: str, found: str | None, declared: str) -> UploadRejectedError:
    return UploadRejectedError(
        "DigestMismatch",
        f"S3 computed SHA-256 {found} for {path}, the manifest says {declared}",
        remedy="Upload the file again or correct the manifest, then upload the manifest again.",
    )


def _check_limits(sizes: dict[str, int], allowance: ProjectAllowance) -> None:
    try:
        allowance.check(sizes)
    except LimitExceededError as exceeded:
        raise over_limit(exceeded) from exceeded


def over_limit(exceeded: LimitExceededError) -> UploadRejectedError:
    code = type(exceeded).__name__.removesuffix("Error")
    return UploadRejectedError(code, str(exceeded), remedy=exceeded.remedy or "")


def _bad_manifest(why: str) -> UploadRejectedError:
    return UploadRejectedError(
        "BadManifest",
        f"the manifest cannot be used: {why}",
        remedy='Write {"format": …, "files": [{"path": …, "size": …, "sha256": …}]} and upload it again.',
    )


def _first_fault(invalid: ValidationError) -> str:
    fault = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])


def files_by_path(files: Sequence[ManifestFile]) -> dict[str, ManifestFile]:
    return {file.path: file for file in files}
