"""What an upload says it consists of."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from controlplane.errors import InvalidRequestError, LimitExceededError
from controlplane.identifiers import Name
from controlplane.registry.formats import FORMATS
from controlplane.registry.keys import MANIFEST, MAX_PATH_LENGTH, is_file_path
from controlplane.registry.metadata import VersionMetadata
from controlplane.registry.signatures import Envelope

# One server-side copy moves at most 5 GiB (S3's CopyObject).
MAX_FILE_BYTES = 5 * 1024**3
MAX_FILES = 250
TOO_LARGE_REMEDY = (
    "Split the model into shards of at most 5 GiB each, as its framework's save function can."
)


def _safe_path(path: str) -> str:
    if not is_file_path(path):
        raise ValueError(
            "a path is relative, of letters, digits, '.', '_' and '-', with no hidden segment"
        )
    if path == MANIFEST:
        raise ValueError(f"{MANIFEST} is the upload's own manifest and no file of the model")
    return path


def _some_bytes(size: int) -> int:
    """KServe's storage initializer leaves empty objects out (kserve-storage 0.21, `_download_s3`: `obj.size == 0`)."""
    if size < 1:
        raise ValueError(
            "an empty file does not reach model servers: leave it out, or write a newline into it"
        )
    return size


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"unknown model format; known are {', '.join(sorted(FORMATS))}")
    return name


FilePath = Annotated[str, StringConstraints(max_length=MAX_PATH_LENGTH), AfterValidator(_safe_path)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ModelFormat = Annotated[str, AfterValidator(_known_format)]


class ManifestFile(BaseModel):
    """One file of a model: its path in the model, its size in bytes and its SHA-256 in hexadecimal."""

    model_config = ConfigDict(frozen=True)

    path: FilePath
    size: Annotated[int, AfterValidator(_some_bytes)] = Field(json_schema_extra={"minimum": 1})
    sha256: Sha256


class Manifest(BaseModel):
    """The files of one model version, its format and the version of the framework that wrote it.

    `project` and `model` say what it is for, so that a signature is good for nothing else. `metadata` is what else is
    told of the version, `signature` an envelope around all of this but itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: ModelFormat = Field(examples=["sklearn"])
    framework_version: str | None = Field(default=None, max_length=40, examples=["1.9.1"])
    files: tuple[ManifestFile, ...] = Field(min_length=1, max_length=MAX_FILES)
    project: Name | None = Field(default=None, description="The project that it is for")
    model: Name | None = Field(default=None, description="The model that it is for")
    metadata: VersionMetadata | None = None
    signature: Envelope | None = None

    @model_validator(mode="after")
    def _files_can_lie_side_by_side(self) -> Self:
        """On the disk of the pod that serves them."""
        paths = {file.path for file in self.files}
        if len(paths) < len(self.files):
            raise ValueError("two files have the same path")
        folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
        if both := sorted(paths & folders):
            raise ValueError(f"{both[0]} is a file, and the folder of another file")
        return self

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def meaning(self) -> str:
        """Equal for manifests that say the same, however they are written and whoever signed them."""
        told = self.model_dump(mode="json", exclude={"signature"}, exclude_none=True)
        return json.dumps(told, sort_keys=True)

    def require_for(self, project: str, model: str) -> None:
        """Raises InvalidRequestError for a manifest that says it is for another project or model."""
        told = (self.project or project, self.model or model)
        if told != (project, model):
            raise InvalidRequestError(
                f"the manifest says that it is for model {told[1]} of project {told[0]}, "
                f"and this is model {model} of project {project}",
                remedy="Upload it to the model that it is for; or write one for this model, and sign that.",
            )


def check_sizes(files: Mapping[str, int], max_model_bytes: int, max_files: int) -> None:
    """Refuse what is too large or too many; `files` maps paths to bytes. Raises LimitExceededError."""
    too_large = [path for path, size in files.items() if size > MAX_FILE_BYTES]
    if too_large:
        raise LimitExceededError(
            f"{too_large[0]} is larger than 5 GiB, the most that one file may have",
            remedy=TOO_LARGE_REMEDY,
        )
    if len(files) > max_files:
        raise LimitExceededError(
            f"the upload has {len(files)} files, the tier's limit is {max_files}",
            remedy="Pack small files together, or ask for a higher tier.",
        )
    total = sum(files.values())
    if total > max_model_bytes:
        raise LimitExceededError(
            f"the model has {total} bytes, the tier's limit is {max_model_bytes}",
            remedy="Make the model smaller (quantise or prune it), or ask for a higher tier.",
        )
