"""What a rollout was decided on, in the models bucket: one JSON document a rollout.

    evidence/tenant-<tenant>/<project>/<deployment>/<rollout>.json

The same bundle is the same bytes, so its digest can be told and checked. The bucket keeps every version of it, and no
lifecycle rule takes evidence away.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from controlplane.errors import UnavailableError
from controlplane.identifiers import now

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

SCHEMA_VERSION = 1
PREFIX = "evidence/"


def evidence_key(tenant_id: str, project: str, deployment: str, rollout_id: str) -> str:
    return f"{PREFIX}tenant-{tenant_id}/{project}/{deployment}/{rollout_id}.json"


class S3Evidence:
    """An EvidenceStore."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def write(
        self,
        tenant_id: str,
        project: str,
        deployment: str,
        rollout_id: str,
        bundle: Mapping[str, Any],
    ) -> str:
        key = evidence_key(tenant_id, project, deployment, rollout_id)
        body = to_document(bundle)
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                ChecksumSHA256=b64encode(hashlib.sha256(body).digest()).decode(),
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("S3 does not keep a rollout's evidence") from failed
        return key


class S3EvidenceLinks:
    """EvidenceLinks. `s3` gives the client that signs: one with the credentials of the caller's own tenant."""

    def __init__(self, s3: "Callable[[], S3Client]", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def link(
        self, tenant_id: str, project: str, deployment: str, rollout_id: str, expires_at: datetime
    ) -> str:
        return self._s3().generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": evidence_key(tenant_id, project, deployment, rollout_id),
                "ResponseContentType": "application/json",
            },
            ExpiresIn=max(1, int((expires_at - now()).total_seconds())),
        )


def to_document(bundle: Mapping[str, Any]) -> bytes:
    """Canonical JSON: sorted keys, no blanks, UTF-8, moments in UTC; `digest` is the SHA-256 of the rest so written.

    Raises TypeError for what has no place in JSON, ValueError for NaN and the infinities.
    """
    content = {**bundle, "schema_version": SCHEMA_VERSION}
    content.pop("digest", None)
    digest = hashlib.sha256(_canonical(content)).hexdigest()
    return _canonical({**content, "digest": f"sha256:{digest}"})


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(
        content,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=_plain,
    ).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no place in a rollout's evidence")
