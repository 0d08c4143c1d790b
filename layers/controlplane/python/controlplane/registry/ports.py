"""What the registry needs from the outside world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from controlplane.limits import Limits, Reservation, quota_exceeded
from controlplane.registry.manifest import ManifestFile, check_sizes
from controlplane.registry.model import (
    Model,
    ModelVersion,
    ModelVersionDeleted,
    ModelVersionRegistered,
    UploadEnded,
    UploadOpened,
)
from controlplane.registry.scan import Scan
from controlplane.registry.upload import RejectedUpload, Upload
from controlplane.requests import IdempotentRequest, Page, PageRequest


@dataclass(frozen=True)
class ProjectAllowance:
    """What a tenant may upload into a project, and what it has already; sizes in bytes."""

    limits: Limits
    project_created_at: datetime
    stored_bytes: int = 0

    def check(self, files: Mapping[str, int]) -> None:
        """Refuse an upload of these files, by path and size. Raises LimitExceededError, QuotaExceededError."""
        check_sizes(files, self.limits.max_model_bytes, self.limits.max_upload_files)
        wanted = Reservation("stored_bytes", sum(files.values()), self.limits.stored_bytes)
        if self.stored_bytes + wanted.amount > wanted.limit:
            raise quota_exceeded(wanted, self.stored_bytes)


@dataclass(frozen=True)
class StoredObject:
    """One object version as S3 knows it; `sha256` in hexadecimal, None where S3 computed none."""

    key: str
    version_id: str
    size: int
    sha256: str | None
    modified_at: datetime


@dataclass(frozen=True)
class PresignedPut:
    """A request that anyone may send until it expires, with exactly these headers."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class TemporaryCredentials:
    """AWS credentials that can write below one prefix of one bucket, until they expire."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: datetime
    bucket: str
    prefix: str


class ProjectDirectory(Protocol):
    def find_allowance(self, tenant_id: str, project: str) -> ProjectAllowance | None:
        """None when the tenant has no such project. Raises UploadRejectedError for a tenant that is not active."""
        ...


class ModelRepository(Protocol):
    def get(self, tenant_id: str, project: str, model: str) -> Model:
        """Raises NotFoundError."""
        ...

    def find(self, tenant_id: str, project: str, model: str) -> Model | None:
        """Also a model whose versions are all deleted; None if there never was one."""
        ...

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[Model]: ...

    def get_version(self, tenant_id: str, project: str, model: str, number: int) -> ModelVersion:
        """Raises NotFoundError."""
        ...

    def get_with_version(
        self, tenant_id: str, project: str, model: str, number: int
    ) -> tuple[Model, ModelVersion]:
        """The model and one of its versions in one read. Raises NotFoundError."""
        ...

    def list_versions(
        self, tenant_id: str, project: str, model: str, page: PageRequest
    ) -> Page[ModelVersion]:
        """Newest first."""
        ...

    def remove_version(
        self,
        tenant_id: str,
        project: str,
        model: Model,
        version: ModelVersion,
        event: ModelVersionDeleted,
    ) -> None:
        """Remove the version and give back its room, its model's too if it was the last.

        Raises InUseError when a deployment has taken it meanwhile, ConcurrentChangeError."""
        ...


class UploadRepository(Protocol):
    def add(
        self,
        tenant_id: str,
        project: str,
        upload: Upload,
        event: UploadOpened,
        request: IdempotentRequest | None,
    ) -> Upload:
        """Store a new upload; a repeat of the same idempotent request returns the first one."""
        ...

    def get(self, tenant_id: str, project: str, model: str, upload_id: str) -> Upload:
        """Raises NotFoundError."""
        ...

    def find(self, tenant_id: str, project: str, model: str, upload_id: str) -> Upload | None: ...

    def list(self, tenant_id: str, project: str, model: str, page: PageRequest) -> Page[Upload]: ...

    def allot_version(
        self,
        tenant_id: str,
        project: str,
        upload: Upload,
        known: Upload | None,
        model: Model | None,
    ) -> None:
        """Store the upload with its allotted number and raise the model's counter, or neither.

        `known` and `model` are what was read before. Raises ConcurrentChangeError.
        """
        ...

    def register(
        self,
        tenant_id: str,
        project: str,
        upload: Upload,
        version: ModelVersion,
        model: Model,
        event: ModelVersionRegistered,
        room: Sequence[Reservation],
    ) -> None:
        """Store the version, close the upload, count both in model, project and quotas: all or nothing.

        Raises NotFoundError when the upload's project has gone, QuotaExceededError, ConcurrentChangeError.
        """
        ...

    def end(
        self, tenant_id: str, project: str, upload: Upload, known: Upload | None, event: UploadEnded
    ) -> None:
        """Store how an upload ended. Raises ConcurrentChangeError."""
        ...

    def record_rejected(self, tenant_id: str | None, rejected: RejectedUpload) -> None:
        """Keep an arrival that belongs to no model; without a tenant that exists it is the platform's."""
        ...

    def list_rejected(self, tenant_id: str, page: PageRequest) -> Page[RejectedUpload]:
        """Newest first."""
        ...


class ArtifactStore(Protocol):
    """The bucket that holds uploads and registered versions."""

    @property
    def bucket(self) -> str: ...

    def find_object(self, key: str, version_id: str | None = None) -> StoredObject | None:
        """The object version, or the current one; None when there is none."""
        ...

    def read_text(self, key: str, version_id: str) -> str:
        """The whole of a small object, as UTF-8."""
        ...

    def download(self, key: str, version_id: str, target: BinaryIO) -> str:
        """Write an object version into a file; the SHA-256 of what was written, hexadecimal."""
        ...

    def copy_object(self, key: str, version_id: str, target_key: str) -> StoredObject:
        """Copy server-side and have S3 compute the SHA-256 of the copy."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Delete every object version below the prefix; the number deleted."""
        ...


class ArtifactScanner(Protocol):
    """Finds what a file would do to whoever loads it."""

    def scan(self, path: str, model_format: str, content: BinaryIO) -> Scan:
        """Look into a seekable file of a model of that format, whatever it is called."""
        ...


class UploadAuthority(Protocol):
    """Lets a caller write to the bucket without passing the bytes through Headrace."""

    def presign_put(self, key: str, file: ManifestFile, expires_at: datetime) -> PresignedPut: ...

    def issue_credentials(
        self, prefix: str, session_name: str, tags: Sequence[tuple[str, str]], seconds: int
    ) -> TemporaryCredentials: ...
