"""The CDK's bootstrap of the embedded cloud, and the upload of assets."""

import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.deploy.assembly import Asset
from local.deploy.clients import EmbeddedCloud

# The newest version of the CDK's bootstrap template; stacks ask for at least 6.
BOOTSTRAP_VERSION = "30"
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"

# The earliest time that a zip file can carry: equal content makes an equal archive.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def upload(cloud: EmbeddedCloud, assets: Iterable[Asset]) -> int:
    """Bring what is missing into the buckets, making these; the number of uploads.

    Keys hold the content's hash, so an object that exists is the right one.
    """
    s3 = cloud.client("s3")
    wanted = {(asset.bucket, asset.key): asset for asset in assets}
    for bucket in sorted({bucket for bucket, _ in wanted}):
        if not _exists(s3.head_bucket, Bucket=bucket):
            s3.create_bucket(Bucket=bucket)
    uploads = 0
    for (bucket, key), asset in wanted.items():
        if not _exists(s3.head_object, Bucket=bucket, Key=key):
            _put(s3, asset)
            uploads += 1
    return uploads


def bootstrap(cloud: EmbeddedCloud) -> None:
    """Make the account look bootstrapped, which the templates check."""
    cloud.client("ssm").put_parameter(
        Name=BOOTSTRAP_PARAMETER, Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True
    )


def _exists(head: Any, **target: str) -> bool:
    try:
        head(**target)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def _put(s3: Any, asset: Asset) -> None:
    if not asset.zipped or asset.source.is_file():
        with asset.source.open("rb") as body:
            s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=body)
        return
    with tempfile.TemporaryFile() as archive:
        write_zip(asset.source, archive)
        archive.seek(0)
        s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=archive)


def write_zip(folder: Path, target: Any) -> None:
    """Zip a folder's content, links followed, quickly rather than tightly: it travels nowhere."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for root, folders, files in os.walk(folder, followlinks=True):
            folders.sort()
            for name in sorted(files):
                path = Path(root, name)
                entry = zipfile.ZipInfo(str(path.relative_to(folder)), ZIP_EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (path.stat().st_mode & 0xFFFF) << 16
                archive.writestr(entry, path.read_bytes())
