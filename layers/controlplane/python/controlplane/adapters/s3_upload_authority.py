"""Lets callers write to the models bucket themselves: presigned requests and narrowed credentials."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError
from controlplane.identifiers import now
from controlplane.registry.manifest import ManifestFile
from controlplane.registry.ports import PresignedPut, TemporaryCredentials

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_sts.client import STSClient

# The bucket's lifecycle removes objects with this tag after some days: uploads that nobody completed, and the
# sources of those that were copied to the registry.
PENDING_TAG = "headrace-upload=pending"


class S3UploadAuthority:
    """An UploadAuthority.

    `s3` gives the client that signs: one whose credentials can write below the caller's own tenant alone, so that a
    wrong key would be signed and still be refused by S3.
    """

    def __init__(
        self, s3: "Callable[[], S3Client]", sts: "STSClient", bucket: str, role_arn: str
    ) -> None:
        self._s3 = s3
        self._sts = sts
        self._bucket = bucket
        self._role_arn = role_arn

    def presign_put(self, key: str, file: ManifestFile, expires_at: datetime) -> PresignedPut:
        """Length and checksum are signed: S3 takes exactly the declared bytes or none."""
        checksum = b64encode(bytes.fromhex(file.sha256)).decode()
        url = self._s3().generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ContentLength": file.size,
                "ChecksumSHA256": checksum,
                "Tagging": PENDING_TAG,
            },
            ExpiresIn=max(1, int((expires_at - now()).total_seconds())),
        )
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(file.size),
            "x-amz-checksum-sha256": checksum,
            "x-amz-tagging": PENDING_TAG,
        }
        return PresignedPut(url, headers)

    def issue_credentials(
        self, prefix: str, session_name: str, tags: Sequence[tuple[str, str]], seconds: int
    ) -> TemporaryCredentials:
        """The role's rights cut down to one prefix by a session policy: a session can only lose rights by it."""
        try:
            answer = self._sts.assume_role(
                RoleArn=self._role_arn,
                RoleSessionName=_session_name(session_name),
                DurationSeconds=seconds,
                Policy=json.dumps(upload_policy(self._bucket, prefix)),
                Tags=[{"Key": key, "Value": value} for key, value in tags],
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("STS issued no credentials") from failed
        issued = answer["Credentials"]
        return TemporaryCredentials(
            access_key_id=issued["AccessKeyId"],
            secret_access_key=issued["SecretAccessKey"],
            session_token=issued["SessionToken"],
            expires_at=issued["Expiration"],
            bucket=self._bucket,
            prefix=prefix,
        )


def upload_policy(bucket: str, prefix: str) -> dict[str, object]:
    """The session policy: write and list below the prefix, and nothing else. KMS is the role's own."""
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "s3:PutObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                "Resource": f"{arn}/{prefix}*",
            },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": arn,
                "Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}},
            },
            {
                "Effect": "Allow",
                "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
                "Resource": "*",
                "Condition": {"StringLike": {"kms:EncryptionContext:aws:s3:arn": f"{arn}*"}},
            },
        ],
    }


def _session_name(text: str) -> str:
    """STS allows letters, digits and =,.@- , at most 64 of them."""
    kept = "".join(c if c.isalnum() or c in "=,.@-" else "-" for c in text)
    return kept[:64]
