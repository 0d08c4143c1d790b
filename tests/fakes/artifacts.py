"""The models bucket with its object versions, and the permissions that are handed out for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import BinaryIO

from controlplane.errors import ConcurrentChangeError, UnavailableError
from controlplane.identifiers import now
from controlplane.registry.manifest import ManifestFile
from controlplane.registry.ports import PresignedPut, StoredObject, TemporaryCredentials
from controlplane.serving.model import ServedVersion


@dataclass(frozen=True)
class ObjectVersion:
    """One object version; `content` is None for a delete marker."""

    version_id: str
    content: bytes | None
    size: int
    sha256: str | None
    modified_at: datetime


class MemoryArtifacts:
    """An ArtifactStore and a ServedArtifacts. `unavailable` is how many of the next calls fail."""

    bucket = "models-bucket"

    def __init__(self) -> None:
        self.objects: dict[str, list[ObjectVersion]] = {}
        self.unavailable = 0
        self._numbers = count(1)

    def put(
        self,
        key: str,
        content: bytes,
        *,
        size: int | None = None,
        checksum: bool = True,
        modified_at: datetime,
    ) -> str:
        """Store a new version and return its id. `size` pretends another size than the content's."""
        version_id = f"v{next(self._numbers)}"
        stored = ObjectVersion(
            version_id=version_id,
            content=content,
            size=len(content) if size is None else size,
            sha256=sha256(content).hexdigest() if checksum else None,
            modified_at=modified_at,
        )
        self.objects.setdefault(key, []).append(stored)
        return version_id

    def delete(self, key: str) -> None:
        """What a tenant's delete does: the object is gone, its versions stay."""
        marker = ObjectVersion(f"v{next(self._numbers)}", None, 0, None, now())
        self.objects.setdefault(key, []).append(marker)

    def purge(self, key: str) -> None:
        """What the lifecycle does in the end."""
        self.objects.pop(key, None)

    def keys_below(self, prefix: str) -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def content(self, key: str) -> bytes | None:
        return self.objects[key][-1].content

    def find_object(self, key: str, version_id: str | None = None) -> StoredObject | None:
        self._answer()
        versions = self.objects.get(key, [])
        if version_id is not None:
            versions = [version for version in versions if version.version_id == version_id]
        if not versions or versions[-1].content is None:
            return None
        found = versions[-1]
        return StoredObject(key, found.version_id, found.size, found.sha256, found.modified_at)

    def read_text(self, key: str, version_id: str) -> str:
        self._answer()
        return self._content(key, version_id).decode()

    def download(self, key: str, version_id: str, target: BinaryIO) -> str:
        self._answer()
        content = self._content(key, version_id)
        target.write(content)
        return sha256(content).hexdigest()

    def copy_object(self, key: str, version_id: str, target_key: str) -> StoredObject:
        self._answer()
        content = self._content(key, version_id)
        copied = self.put(target_key, content, modified_at=now())
        found = self.find_object(target_key, copied)
        if found is None:
            raise AssertionError("a copy that was just made is there")
        return found

    def delete_prefix(self, prefix: str) -> int:
        self._answer()
        keys = self.keys_below(prefix)
        return sum(len(self.objects.pop(key)) for key in keys)

    def find_fault(self, version: ServedVersion) -> str | None:
        prefix = version.uri.removeprefix(f"s3://{self.bucket}/")
        for path, digest in version.files.items():
            stored = self.find_object(f"{prefix}/{path}")
            if stored is None:
                return f"{path} is missing"
            if stored.sha256 != digest:
                return f"{path} has SHA-256 {stored.sha256}"
        return None

    def _content(self, key: str, version_id: str) -> bytes:
        for version in self.objects.get(key, []):
            if version.version_id == version_id and version.content is not None:
                return version.content
        raise ConcurrentChangeError(f"{key} was deleted")

    def _answer(self) -> None:
        if self.unavailable:
            self.unavailable -= 1
            raise UnavailableError("S3 did not do as asked")


class MemoryUploadAuthority:
    """An UploadAuthority that remembers what it allowed."""

    def __init__(self) -> None:
        self.presigned: dict[str, tuple[ManifestFile, datetime]] = {}
        self.sessions: list[tuple[str, str, Mapping[str, str], int]] = []

    def presign_put(self, key: str, file: ManifestFile, expires_at: datetime) -> PresignedPut:
        self.presigned[key] = (file, expires_at)
        return PresignedPut(f"https://bucket/{key}", {"Content-Length": str(file.size)})

    def issue_credentials(
        self, prefix: str, session_name: str, tags: Sequence[tuple[str, str]], seconds: int
    ) -> TemporaryCredentials:
        self.sessions.append((prefix, session_name, dict(tags), seconds))
        expires_at = now() + timedelta(seconds=seconds)
        return TemporaryCredentials("id", "secret", "token", expires_at, "models-bucket", prefix)
