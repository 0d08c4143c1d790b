"""A tenant's objects in the models bucket."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError
from controlplane.identifiers import serving_namespace
from controlplane.onboarding.model import TenantRecord
from controlplane.onboarding.ports import Removal

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

PAGES_A_CALL = 10  # of up to 1,000 object versions each


class TenantObjects:
    """A TenantPart: what the tenant uploaded, what was registered of it, and evidence of rollouts; all versions."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def apply(self, _tenant: TenantRecord, /) -> str | None:
        return None

    def remove(self, tenant: TenantRecord, _position: str | None, /) -> Removal:
        """Delete up to 10,000 object versions. Raises UnavailableError."""
        try:
            deleted = 0
            for prefix in _prefixes(tenant.tenant_id):
                self._abort_uploads(prefix)
                for _ in range(PAGES_A_CALL):
                    batch = self._first_versions(prefix)
                    if not batch:
                        break
                    self._delete(batch)
                    deleted += len(batch)
                else:
                    return Removal(gone=False, count=deleted)
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("S3 did not delete the tenant's objects") from failed
        return Removal(gone=True, count=deleted)

    def _first_versions(self, prefix: str) -> list["ObjectIdentifierTypeDef"]:
        found = self._client.list_object_versions(Bucket=self._bucket, Prefix=prefix)
        entries = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]

    def _delete(self, batch: list["ObjectIdentifierTypeDef"]) -> None:
        answer = self._client.delete_objects(
            Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
        )
        if failed := answer.get("Errors"):
            raise UnavailableError(f"S3 kept {len(failed)} objects, the first {failed[0]['Key']}")

    def _abort_uploads(self, prefix: str) -> None:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        for page in pages:
            for upload in page.get("Uploads", []):
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )


def _prefixes(tenant_id: str) -> Iterator[str]:
    namespace = serving_namespace(tenant_id)
    yield f"models/{tenant_id}/"
    yield f"registry/{namespace}/"
    yield f"runs/{namespace}-runs/"
    yield f"evidence/{namespace}/"
