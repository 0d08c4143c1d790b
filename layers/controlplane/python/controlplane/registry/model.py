"""Models, their immutable versions, and what happens to them."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from controlplane.events import DomainEvent
from controlplane.identifiers import Name
from controlplane.registry.manifest import ManifestFile
from controlplane.registry.scan import Scan
from controlplane.registry.signatures import SignatureRecord
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
    tags: dict[str, str] = {}
    version: int = 1


class VersionSource(BaseModel):
    """Which uploaded object a version was made of: for several files that is their manifest."""

    model_config = ConfigDict(frozen=True)

    key: str
    version_id: str
    upload_id: str


class ApprovalState(StrEnum):
    PENDING = "Pending"
    APPROVED = "Approved"
    REJECTED = "Rejected"


class Approval(BaseModel):
    """Whether somebody let a version be served: `actor` is who decided, and `reason` why, in that person's words."""

    model_config = ConfigDict(frozen=True)

    state: ApprovalState = ApprovalState.PENDING
    actor: str | None = None
    reason: str | None = None
    decided_at: datetime | None = None


class RegisteredFile(ManifestFile):
    """A file and the object version that it is; None for what was registered before those were kept."""

    version_id: str | None = None


class ModelVersion(BaseModel):
    """One immutable version. `uri` is where its files lie, `digest` covers the path and digest of each.

    `served_by` names the deployments that hold the version, `aliases` the names that point at it; while there are any
    it cannot be deleted. `metrics` to `code` are evidence: set once. `card` is Markdown that people wrote.
    `scan` is None for a version of before there were scans, `signature` for one that is not signed.
    """

    model_config = ConfigDict(frozen=True)

    model: Name
    number: int
    uri: str
    format: str
    framework_version: str | None = None
    files: tuple[RegisteredFile, ...]
    size: int
    digest: str
    source: VersionSource
    position: str
    registered_at: datetime
    registered_by: str | None = None
    tags: dict[str, str] = {}
    metrics: dict[str, float] = {}
    dataset_digest: str | None = None
    run: str | None = None
    template_version: str | None = None
    code: str | None = None
    card: str = ""
    approval: Approval = Approval()
    scan: Scan | None = None
    signature: SignatureRecord | None = None
    aliases: tuple[str, ...] = ()
    served_by: tuple[str, ...] = ()
    version: int = 1


def digest_of(files: Sequence[ManifestFile]) -> str:
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


class ModelChanged(RegistryEvent):
    """A model's own tags are others."""

    changed_by: str


class ModelVersionChanged(RegistryEvent):
    """A version has other tags, another card, or evidence that it had not; `changed` names the fields."""

    model_version: int
    changed: tuple[str, ...]
    changed_by: str


class VersionApproved(RegistryEvent):
    """Somebody let the version be served: its rollout may begin. `position` orders it among its model's uploads."""

    model_version: int
    position: str
    approved_by: str


class VersionRejected(RegistryEvent):
    """Nobody may roll the version out from now on; what serves it already goes on."""

    model_version: int
    rejected_by: str


class AliasMove(BaseModel):
    """An alias names another version than before; None is none."""

    model_config = ConfigDict(frozen=True)

    alias: Name
    model_version: int | None
    previous: int | None


class AliasesMoved(RegistryEvent):
    """Aliases of a model were moved, all at once, by a caller or the rollout whose promotion they follow."""

    moves: tuple[AliasMove, ...]
    moved_by: str


class RegistryPolicyChanged(DomainEvent):
    """A project asks something else of the versions that may be served."""

    capability: ClassVar[str] = "registry"
    project: Name
    changed_by: str

    @property
    def subject(self) -> str:
        return f"projects/{self.project}/registry-policy"


class SigningKeyEvent(DomainEvent):
    capability: ClassVar[str] = "registry"
    project: Name
    signing_key: Name

    @property
    def subject(self) -> str:
        return f"projects/{self.project}/signing-keys/{self.signing_key}"


class SigningKeyAdded(SigningKeyEvent):
    """Versions may be signed by it from now on. `fingerprint` is the SHA-256 of its 32 bytes."""

    fingerprint: str
    added_by: str


class SigningKeyRevoked(SigningKeyEvent):
    """What it signed is not trusted any more."""

    fingerprint: str
    revoked_by: str
