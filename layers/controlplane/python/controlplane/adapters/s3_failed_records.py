"""Stream batches that Lambda gave up on, as it writes them to its on-failure destination.

Source: AWS Lambda Developer Guide, "Retain discarded records for a DynamoDB event source": one JSON document a
batch below `aws/lambda/<mapping>/`, the function's event as text in `payload`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


class S3FailedRecords:
    """A FailedRecords. The names hold the time, so that their order is the order of failure within a mapping.

    `prefix` is the mapping's own, `aws/lambda/<mapping>/`: two consumers of the stream keep theirs in one bucket.
    """

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def list(self, limit: int) -> Sequence[str]:
        try:
            found = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._prefix, MaxKeys=limit
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("S3 does not list the failed records") from failed
        return [entry["Key"] for entry in found.get("Contents", [])]

    def read(self, name: str) -> Mapping[str, Any]:
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=name)
            payload = json.loads(found["Body"].read())["payload"]
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError(f"S3 does not give {name}") from failed
        event: Mapping[str, Any] = json.loads(payload) if isinstance(payload, str) else payload
        return event

    def delete(self, name: str) -> None:
        try:
            self._client.delete_object(Bucket=self._bucket, Key=name)
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError(f"S3 does not delete {name}") from failed
