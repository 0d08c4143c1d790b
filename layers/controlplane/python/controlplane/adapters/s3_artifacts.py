"""The models bucket: what was uploaded, and the registry that only Headrace writes."""

from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import ConcurrentChangeError, UnavailableError
from controlplane.registry.ports import StoredObject
from controlplane.serving.model import ServedVersion

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import HeadObjectOutputTypeDef, ObjectIdentifierTypeDef

_NOT_THERE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_PARALLEL_HEADS = 16
_CHUNK = 1 << 20


class S3Artifacts:
    """An ArtifactStore, and serving's ServedArtifacts."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @property
    def bucket(self) -> str:
        return self._bucket

    def find_object(self, key: str, version_id: str | None = None) -> StoredObject | None:
        version = {"VersionId": version_id} if version_id else {}
        try:
            head = self._client.head_object(
                Bucket=self._bucket,
                Key=key,
                ChecksumMode="ENABLED",
                **version,  # type: ignore[arg-type]
            )
        except ClientError as refused:
            if refused.response["Error"]["Code"] in _NOT_THERE:
                return None
            raise _unavailable(refused) from refused
        except BotoCoreError as failed:
            raise _unavailable(failed) from failed
        return StoredObject(
            key=key,
            version_id=version_id or head["VersionId"],
            size=head["ContentLength"],
            sha256=_sha256(head),
            modified_at=head["LastModified"],
        )

    def read_text(self, key: str, version_id: str) -> str:
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=key, VersionId=version_id)
            return found["Body"].read().decode()
        except (ClientError, BotoCoreError) as failed:
            raise _unavailable(failed) from failed

    def download(self, key: str, version_id: str, target: BinaryIO) -> str:
        digest = sha256()
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=key, VersionId=version_id)
            for chunk in found["Body"].iter_chunks(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
        except ClientError as refused:
            if refused.response["Error"]["Code"] in _NOT_THERE:
                raise ConcurrentChangeError(f"{key} was deleted while it was read") from refused
            raise _unavailable(refused) from refused
        except BotoCoreError as failed:
            raise _unavailable(failed) from failed
        return digest.hexdigest()

    def copy_object(self, key: str, version_id: str, target_key: str) -> StoredObject:
        """Only the copy's own metadata tells the checksum on every S3; objects of at most 5 GiB."""
        try:
            self._client.copy_object(
                Bucket=self._bucket,
                Key=target_key,
                CopySource={"Bucket": self._bucket, "Key": key, "VersionId": version_id},
                ChecksumAlgorithm="SHA256",
                TaggingDirective="REPLACE",
            )
        except ClientError as refused:
            if refused.response["Error"]["Code"] in _NOT_THERE:
                raise ConcurrentChangeError(f"{key} was deleted while it was copied") from refused
            raise _unavailable(refused) from refused
        except BotoCoreError as failed:
            raise _unavailable(failed) from failed
        copied = self.find_object(target_key)
        if copied is None or copied.sha256 is None:
            raise UnavailableError(f"S3 tells no SHA-256 for the copy {target_key}")
        return copied

    def delete_prefix(self, prefix: str) -> int:
        deleted = 0
        try:
            for batch in self._versions_below(prefix):
                self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
                )
                deleted += len(batch)
        except (ClientError, BotoCoreError) as failed:
            raise _unavailable(failed) from failed
        return deleted

    def find_fault(self, version: ServedVersion) -> str | None:
        """The registry's own copies, by content, size and object version; and nothing that does not belong to them."""
        prefix = version.uri.removeprefix(f"s3://{self._bucket}/")
        with ThreadPoolExecutor(_PARALLEL_HEADS) as pool:
            listed = pool.submit(self._keys_below, f"{prefix}/")
            found = pool.map(self.find_object, (f"{prefix}/{path}" for path in version.files))
            stored = dict(zip(version.files, found, strict=True))
        faults = (_fault(version, path, copy) for path, copy in stored.items())
        extra = sorted(listed.result() - {f"{prefix}/{path}" for path in version.files})
        return next(filter(None, faults), None) or (
            f"{extra[0]} was added after the registration" if extra else None
        )

    def _keys_below(self, prefix: str) -> set[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        try:
            return {entry["Key"] for page in pages for entry in page.get("Contents", ())}
        except (ClientError, BotoCoreError) as failed:
            raise _unavailable(failed) from failed

    def _versions_below(self, prefix: str) -> Iterator[list["ObjectIdentifierTypeDef"]]:
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        for page in pages:
            entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if entries:
                yield [{"Key": e["Key"], "VersionId": e["VersionId"]} for e in entries]


def _fault(version: ServedVersion, path: str, stored: StoredObject | None) -> str | None:
    """What is wrong with one file. Versions of before there were pins are told by their content alone."""
    if stored is None:
        return f"{path} is missing"
    if stored.sha256 != version.files[path]:
        return f"{path} has SHA-256 {stored.sha256} instead of {version.files[path]}"
    pin = version.pins.get(path)
    if pin is None:
        return None
    if stored.size != pin.size:
        return f"{path} has {stored.size} bytes instead of {pin.size}"
    if pin.version_id not in (None, stored.version_id):
        return f"{path} was written again after the registration"
    return None


def _sha256(head: "HeadObjectOutputTypeDef") -> str | None:
    """The full object's SHA-256 in hexadecimal; a checksum of parts ends in -<parts> and is none."""
    encoded = head.get("ChecksumSHA256")
    if not encoded or "-" in encoded:
        return None
    return b64decode(encoded).hex()


def _unavailable(cause: Exception) -> UnavailableError:
    return UnavailableError(f"S3 did not do as asked: {cause}")
