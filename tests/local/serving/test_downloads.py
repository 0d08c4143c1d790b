"""What KServe's storage initializer brings of a registered version to the pod that serves it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from controlplane.registry.manifest import Manifest
from tests.local.serving.trained_models import SERVING_PYTHON

DOWNLOAD = """
import sys
from kserve_storage import Storage

Storage.download(sys.argv[1], sys.argv[2])
"""
ACCESS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "eu-west-1"}


@pytest.fixture
def endpoint() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


def test_empty_files_do_not_arrive_and_are_therefore_no_part_of_a_version(
    endpoint: str, tmp_path: Path
) -> None:
    """Once they do, a manifest may list them."""
    files = {"MLmodel": b"flavors: {}", "code/__init__.py": b"", "code/model.py": b"\n"}
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=ACCESS["AWS_DEFAULT_REGION"],
        aws_access_key_id=ACCESS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ACCESS["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for path, content in files.items():
        s3.put_object(Bucket="models", Key=f"registry/1/{path}", Body=content)

    subprocess.run(
        [str(SERVING_PYTHON), "-c", DOWNLOAD, "s3://models/registry/1", str(tmp_path)],
        env={**os.environ, **ACCESS, "AWS_ENDPOINT_URL": endpoint, "NO_PROXY": "127.0.0.1"},
        check=True,
        capture_output=True,
        timeout=120,
    )

    arrived = {str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()}
    assert arrived == {"MLmodel", "code/model.py"}
    entry = {"path": "code/__init__.py", "size": 0, "sha256": "0" * 64}
    with pytest.raises(ValueError, match="does not reach model servers"):
        Manifest.model_validate({"format": "mlflow", "files": [entry]})
