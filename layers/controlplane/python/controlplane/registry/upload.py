"""An upload on its way to becoming a version."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict

from controlplane.identifiers import Name, UploadId
from controlplane.reasons import Reason
from controlplane.registry.manifest import Manifest, ManifestFile
from controlplane.registry.metadata import KeptMetadata
from controlplane.registry.signatures import Envelope, SignatureRecord


class UploadState(StrEnum):
    PENDING = "Pending"
    COPYING = "Copying"
    REGISTERED = "Registered"
    REJECTED = "Rejected"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"


class UploadOrigin(StrEnum):
    API = "api"
    FOLDER = "folder"
    FILE = "file"


class SourceObject(BaseModel):
    """The one object version that starts a registration: the file itself, or the manifest."""

    model_config = ConfigDict(frozen=True)

    key: str
    version_id: str
    size: int
    position: str


class Upload(BaseModel):
    """`model_version` is the number allotted to it, `execution` the state machine run that works on it.

    `project_created_at` tells its project from a later one of that name, which is none of its business.
    `for_project` and `for_model` are what its manifest says it is for, `envelope` is the signature that the manifest is
    announced with, `signature` the one that was verified.
    """

    model_config = ConfigDict(frozen=True)

    upload_id: UploadId
    model: Name
    origin: UploadOrigin
    state: UploadState
    format: str | None = None
    framework_version: str | None = None
    files: tuple[ManifestFile, ...] = ()
    for_project: Name | None = None
    for_model: Name | None = None
    metadata: KeptMetadata | None = None
    envelope: Envelope | None = None
    signature: SignatureRecord | None = None
    created_at: datetime
    created_by: str | None = None
    project_created_at: datetime | None = None
    deadline: datetime | None = None
    source: SourceObject | None = None
    model_version: int | None = None
    execution: str | None = None
    reason: Reason | None = None
    version: int = 1

    @property
    def announced(self) -> Manifest | None:
        """The manifest that it was opened with over the API; None for one that nobody announced."""
        if self.origin is not UploadOrigin.API:
            return None
        return Manifest.model_validate(
            {
                "format": self.format,
                "framework_version": self.framework_version,
                "files": self.files,
                "project": self.for_project,
                "model": self.for_model,
                "metadata": self.metadata and self.metadata.model_dump(),
                "signature": self.envelope,
            }
        )

    def seen_at(self, moment: datetime) -> Self:
        """The upload as it is at a moment: one that nobody completed in time is Expired."""
        waiting = self.state is UploadState.PENDING
        if waiting and self.deadline is not None and moment > self.deadline:
            return self.model_copy(update={"state": UploadState.EXPIRED})
        return self

    def ended(self, state: UploadState, reason: Reason) -> Self:
        return self.model_copy(update={"state": state, "reason": reason})


class RejectedUpload(BaseModel):
    """An object that arrived where no model can be: kept for the tenant to see."""

    model_config = ConfigDict(frozen=True)

    key: str
    version_id: str
    arrived_at: datetime
    reason: Reason
