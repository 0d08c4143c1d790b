"""Models, their immutable versions, and what happens to them."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from controlplane.events import DomainEvent
from controlplane.identifiers import Name
from controlplane.registry.manifest import ManifestFile
from controlplane.requests import digest

# S3's sequencers have no fixed length; padded to a width above any seen, their text order is their order.
SEQUENCER_WIDTH = 32


def position_of(uploaded_at: datetime, sequencer: str) -> str:
    """Where an upload stands among others: text that sorts by arrival in S3, then by S3's own sequence.

    Source for the sequencer: Amazon S3 User Guide, "Event message structure" (pad on the left, then compare).
    """
    return f"{uploaded_at:%Y-%m-%dT%H:%M:%SZ}#{sequencer.upper().rjust(SEQUENCER_WIDTH, '0')}"


class Model(BaseModel):
    """A model; `allotted` is the highest version number ever given out, which no later version gets again."""

    model_config = ConfigDict(frozen=True)

    name: Name
    created_at: datetime
    allotted: int = 0
    latest_version: int = 0
    versions: int = 0
    version: int = 1


class VersionSource(BaseModel):
    """Which uploaded object a version was made of: for several files that is their manifest."""

    model_config = ConfigDict(frozen=True)

    key: str
    version_id: str
    upload_id: str


class ModelVersion(BaseModel):
    """One immutable version. `uri` is where its files lie, `digest` covers the path and digest of each.

    `served_by` names the deployments that hold the version; while there are any it cannot be deleted.
    """

    model_config = ConfigDict(frozen=True)

    model: Name
    number: int
    uri: str
    format: str
    framework_version: str | None = None
    files: tuple[ManifestFile, ...]
    size: int
    digest: str
    source: VersionSource
    position: str
    registered_at: datetime
    served_by: tuple[str, ...] = ()
    version: int = 1


def digest_of(files: tuple[ManifestFile, ...]) -> str:
    """One SHA-256 over the paths and digests of all files, in the order of paths."""
    ordered = sorted(files, key=lambda file: file.path)
    return digest(*(part for file in ordered for part in (file.path, file.sha256)))


class RegistryEvent(DomainEvent):
    capability: ClassVar[str] = "registry"
    project: Name
    model: Name

    @property
    def subject(self) -> str:
        return f"projects/{self.project}/models/{self.model}"


class ModelVersionRegistered(RegistryEvent):
    """A version can be deployed. `position` orders it among the uploads of its model."""

    model_version: int
    uri: str
    digest: str
    format: str
    position: str


class ModelVersionDeleted(RegistryEvent):
    model_version: int
    deleted_by: str


class UploadOpened(RegistryEvent):
    """Somebody may now send the files of an upload."""

    upload_id: str
    opened_by: str


class UploadEnded(RegistryEvent):
    """An upload that became no version: `state` Rejected, Failed or Cancelled, and why."""

    upload_id: str
    state: str
    reason: str
