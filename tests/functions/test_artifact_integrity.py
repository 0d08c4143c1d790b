"""What was registered is what is served: somebody with every right to the bucket swaps, removes and adds objects."""

from collections.abc import Callable

import pytest

from controlplane.runtime.wiring import registry, serving
from controlplane.serving.model import ObjectPin, ServedVersion
from tests.functions.cloud import Cloud
from tests.functions.scenario import FILES, MODEL_BYTES, Scenario

PREFIX = "registry/tenant-acme/vision/digits/1"
MODEL = f"{PREFIX}/model.joblib"


@pytest.fixture
def version(acme: Scenario) -> ServedVersion:
    """A registered version of two files, as serving reads it from the table."""
    registered = acme.register(acme.arrival(acme.send_all(acme.open_upload())))
    assert registered["state"] == "Registered"
    return serving.version_catalog().get_version("acme", "vision", "digits", 1)


def find_fault(version: ServedVersion) -> str | None:
    return registry.artifacts().find_fault(version)


def test_a_version_as_it_was_registered_has_no_fault(version: ServedVersion) -> None:
    assert set(version.pins) == set(FILES)
    assert all(pin.version_id for pin in version.pins.values())
    assert find_fault(version) is None


Swap = Callable[[Cloud], object]
SWAPS: dict[str, tuple[Swap, str]] = {
    "other content of the same size": (
        lambda cloud: put(cloud, MODEL, b"!" * len(MODEL_BYTES)),
        "model.joblib has SHA-256",
    ),
    "content without a checksum": (
        lambda cloud: cloud.s3.put_object(Bucket=cloud.bucket, Key=MODEL, Body=MODEL_BYTES),
        "model.joblib",
    ),
    "the same content again": (
        lambda cloud: put(cloud, MODEL, MODEL_BYTES),
        "model.joblib was written again",
    ),
    "deleted": (
        lambda cloud: cloud.s3.delete_object(Bucket=cloud.bucket, Key=MODEL),
        "model.joblib is missing",
    ),
    "a file more": (
        lambda cloud: put(cloud, f"{PREFIX}/sitecustomize.py", b"import os"),
        "sitecustomize.py was added",
    ),
    "a file more in a folder": (
        lambda cloud: put(cloud, f"{PREFIX}/labels/more.txt", b"x"),
        "labels/more.txt was added",
    ),
}


def put(cloud: Cloud, key: str, content: bytes) -> None:
    cloud.s3.put_object(Bucket=cloud.bucket, Key=key, Body=content, ChecksumAlgorithm="SHA256")


@pytest.mark.parametrize(("swap", "told"), SWAPS.values(), ids=SWAPS)
def test_a_swapped_object_is_found(
    cloud: Cloud, version: ServedVersion, swap: Swap, told: str
) -> None:
    swap(cloud)

    assert told in (find_fault(version) or "")


def test_the_next_version_is_no_part_of_this_one(cloud: Cloud, version: ServedVersion) -> None:
    """Version 10 begins with the same text as version 1."""
    put(cloud, "registry/tenant-acme/vision/digits/10/model.joblib", b"x")

    assert find_fault(version) is None


def test_a_version_of_before_the_pins_is_told_by_its_content(
    cloud: Cloud, version: ServedVersion
) -> None:
    old = version.model_copy(update={"pins": {}})
    put(cloud, MODEL, MODEL_BYTES)
    assert find_fault(old) is None
    put(cloud, MODEL, MODEL_BYTES[::-1])
    assert "SHA-256" in (find_fault(old) or "")


def test_a_size_that_is_not_the_registered_one_is_found(version: ServedVersion) -> None:
    pins = version.pins | {"model.joblib": ObjectPin(size=1)}

    assert "bytes instead of 1" in (find_fault(version.model_copy(update={"pins": pins})) or "")
