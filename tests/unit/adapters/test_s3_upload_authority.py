"""What a caller is allowed to write, signed by the real client."""

import json
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.config import Config
from botocore.session import Session

from controlplane.adapters.s3_upload_authority import S3UploadAuthority, upload_policy
from controlplane.identifiers import now
from controlplane.registry.manifest import ManifestFile
from controlplane.registry.ports import PresignedPut
from tests.fakes import Clock

KEY = "models/acme/vision/digits/uploads/u-1/w.pkl"
CONTENT = b"the weights"
FILE = ManifestFile(path="w.pkl", size=len(CONTENT), sha256=sha256(CONTENT).hexdigest())


@pytest.fixture
def authority(clock: Clock) -> S3UploadAuthority:
    session = Session()
    session.set_credentials("key", "secret", "token")
    config = Config(signature_version="s3v4")
    clients: list[Any] = [
        session.create_client(service, region_name="eu-central-1", config=config)
        for service in ("s3", "sts")
    ]
    return S3UploadAuthority(
        lambda: clients[0], clients[1], "models-bucket", "arn:aws:iam::111122223333:role/upload"
    )


def presign(authority: S3UploadAuthority, seconds: float = 3600) -> PresignedPut:
    return authority.presign_put(KEY, FILE, now() + timedelta(seconds=seconds))


def test_length_checksum_and_tag_are_signed(authority: S3UploadAuthority) -> None:
    """S3 refuses a request whose signed headers differ from what was signed."""
    put = presign(authority)

    query = parse_qs(urlsplit(put.url).query)
    signed = set(query["X-Amz-SignedHeaders"][0].split(";"))
    in_query = {name.lower() for name in query}
    assert "content-length" in signed
    assert "x-amz-checksum-sha256" in signed | in_query
    assert "x-amz-tagging" in signed | in_query
    assert urlsplit(put.url).path.endswith(KEY)


def test_the_headers_to_send_are_those_that_were_signed(authority: S3UploadAuthority) -> None:
    assert presign(authority).headers == {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(len(CONTENT)),
        "x-amz-checksum-sha256": b64encode(sha256(CONTENT).digest()).decode(),
        "x-amz-tagging": "headrace-upload=pending",
    }


@pytest.mark.parametrize(("seconds", "expires"), [(3600, "3600"), (90.9, "90"), (-5, "1")])
def test_a_request_is_good_until_the_uploads_deadline(
    authority: S3UploadAuthority, seconds: float, expires: str
) -> None:
    query = parse_qs(urlsplit(presign(authority, seconds).url).query)

    assert query["X-Amz-Expires"] == [expires]


def test_credentials_are_cut_down_to_one_prefix() -> None:
    policy = json.dumps(upload_policy("models-bucket", "models/acme/vision/digits/"))

    statements = json.loads(policy)["Statement"]
    written = [s for s in statements if "s3:PutObject" in s["Action"]]
    assert [s["Resource"] for s in written] == [
        "arn:aws:s3:::models-bucket/models/acme/vision/digits/*"
    ]
    (listed,) = [s for s in statements if "s3:ListBucket" in s["Action"]]
    assert listed["Condition"]["StringLike"]["s3:prefix"] == "models/acme/vision/digits/*"
    actions = {
        a
        for s in statements
        for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
    }
    assert not any(a.startswith(("s3:Get", "s3:Delete")) for a in actions)
    assert len(policy) < 2048  # what STS takes as a session policy
