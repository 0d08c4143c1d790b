"""What the registry relies on in the embedded S3."""

import base64
import hashlib

from tests.local.cloud.deployed import Account


def test_a_copy_of_a_version_gets_the_checksum_that_is_asked_for(account: Account) -> None:
    s3, bucket = account.client("s3"), account.name()
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="upload", Body=b"first", ChecksumAlgorithm="CRC32")
    s3.put_object(Bucket=bucket, Key="upload", Body=b"second")
    source = {"Bucket": bucket, "Key": "upload", "VersionId": first["VersionId"]}
    copied = s3.copy_object(
        Bucket=bucket, Key="registry", CopySource=source, ChecksumAlgorithm="SHA256"
    )
    head = s3.head_object(Bucket=bucket, Key="registry", ChecksumMode="ENABLED")
    expected = base64.b64encode(hashlib.sha256(b"first").digest()).decode()

    assert copied["CopyObjectResult"]["ChecksumSHA256"] == expected
    assert head["ChecksumSHA256"] == expected
