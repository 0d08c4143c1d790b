"""Where chains have been, in a bucket from which nothing can be taken away: one empty object a link.

Its key is the whole anchor, <tenant>/<sequence, 12 digits>-<hash>, so that one listing reads a thousand.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.auditing.model import Link
from controlplane.errors import UnavailableError

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


class S3AuditAnchors:
    """An Anchors."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, tenant_id: str, link: Link) -> None:
        key = f"{tenant_id}/{link.sequence:012d}-{link.hash}"
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=b"")
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("S3 does not keep the anchor") from failed

    def after(self, tenant_id: str, sequence: int) -> Sequence[Link]:
        try:
            found = self._client.list_objects_v2(
                Bucket=self._bucket,
                Prefix=f"{tenant_id}/",
                StartAfter=f"{tenant_id}/{sequence:012d}-~",
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("S3 does not list the anchors") from failed
        names = [entry["Key"].rpartition("/")[2] for entry in found.get("Contents", [])]
        parts = [name.partition("-") for name in names]
        return [Link(int(number), digest) for number, _, digest in parts if number.isdecimal()]
