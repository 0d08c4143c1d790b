"""What an arrived object is, and why it may be no model: each refusal with its code and its remedy."""

import pytest

from controlplane.reasons import Reason
from controlplane.registry.manifest import MAX_FILE_BYTES
from controlplane.registry.upload import UploadState
from tests.fakes import Clock
from tests.unit.registry.world import (
    LIMITS,
    World,
    entry,
    manifest,
)

CONTENT = b"the weights"


def reason_of_only_upload(world: World) -> Reason:
    upload = world.only_upload()
    assert upload.state is UploadState.REJECTED
    assert upload.reason is not None
    assert [event.reason for event in world.ended()] == [upload.reason.code]
    assert world.versions() == []
    return upload.reason


def test_a_plain_file_becomes_a_version_with_the_format_of_its_suffix(world: World) -> None:
    arrival = world.put("model.joblib", CONTENT)

    assert world.run(arrival) is UploadState.REGISTERED
    (version,) = world.versions()
    assert (version.number, version.format, version.size) == (1, "sklearn", len(CONTENT))
    assert version.source.version_id == arrival.version_id


@pytest.mark.parametrize(
    ("name", "content", "size", "code", "remedy"),
    [
        ("notes.txt", CONTENT, None, "UnknownFormat", ".joblib"),
        ("model", CONTENT, None, "UnknownFormat", "manifest"),
        ("model.joblib", b"", None, "EmptyFile", "again"),
        ("model.joblib", b"", LIMITS.max_model_bytes + 1, "LimitExceeded", "higher tier"),
        ("model.joblib", b"", MAX_FILE_BYTES + 1, "LimitExceeded", "shards"),
    ],
)
def test_a_plain_file_that_is_no_model_is_refused(
    world: World, name: str, content: bytes, size: int | None, code: str, remedy: str
) -> None:
    assert world.run(world.put(name, content, size=size)) is UploadState.REJECTED

    reason = reason_of_only_upload(world)
    assert reason.code == code
    assert remedy in (reason.remedy or "")


def test_a_model_of_exactly_the_limit_is_taken(world: World) -> None:
    arrival = world.put("model.joblib", b"", size=LIMITS.max_model_bytes)

    assert world.check(arrival).state is UploadState.COPYING


@pytest.mark.parametrize(
    ("files", "code", "remedy"),
    [
        ([entry("absent.pkl", CONTENT)], "MissingFile", "Upload the file"),
        ([entry("model.pkl", CONTENT, size=3)], "SizeMismatch", "correct the manifest"),
        ([entry("model.pkl", CONTENT, sha256="0" * 64)], "DigestMismatch", "correct the manifest"),
        ([entry("../model.pkl", CONTENT)], "BadManifest", "path"),
        ([entry("model.pkl", CONTENT, sha256="0")], "BadManifest", "sha256"),
        ([entry("model.pkl", CONTENT, size=0)], "BadManifest", "size"),
        ([entry("model.pkl", CONTENT)] * 2, "BadManifest", "files"),
        ([], "BadManifest", "files"),
        ([entry(f"{n}.pkl", CONTENT) for n in range(5)], "LimitExceeded", "higher tier"),
        ([entry("model.pkl", CONTENT, size=20_000)], "LimitExceeded", "smaller"),
        ([entry("model.pkl", CONTENT, size=MAX_FILE_BYTES + 1)], "LimitExceeded", "shards"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(
    world: World, files: list[dict[str, object]], code: str, remedy: str
) -> None:
    world.put("uploads/june/model.pkl", CONTENT)

    checked = world.check(world.put("uploads/june/manifest.json", manifest(*files)))

    assert checked.state is UploadState.REJECTED
    assert world.table.models == {}
    reason = reason_of_only_upload(world)
    assert reason.code == code
    assert remedy in (reason.remedy or "")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "object"),
        (manifest(entry("model.pkl", CONTENT), format="fortran"), "format"),
        (manifest(entry("model.pkl", CONTENT), surprise=1), "surprise"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(world: World, content: bytes, why: str) -> None:
    world.put("uploads/june/model.pkl", CONTENT)

    world.run(world.put("uploads/june/manifest.json", content))

    reason = reason_of_only_upload(world)
    assert reason.code == "BadManifest"
    assert why in reason.message


def test_a_manifest_of_unreasonable_size_is_not_read(world: World) -> None:
    world.put("uploads/june/model.pkl", CONTENT)
    sound = manifest(entry("model.pkl", CONTENT))

    world.run(world.put("uploads/june/manifest.json", sound, size=256 * 1024 + 1))

    assert reason_of_only_upload(world).code == "BadManifest"


@pytest.mark.parametrize(
    ("key", "tenant"),
    [
        ("models/acme/vision/digits", "acme"),
        ("models/acme/vision/digits/a/b/model.joblib", "acme"),
        ("models/acme/vision/Digits/model.joblib", "acme"),
        ("models/acme/vision/digits/.hidden", "acme"),
        ("models/acme/vision/digits/uploads/June/manifest.json", "acme"),
        ("models/acme/vision/digits/uploads/june/model.pkl", "acme"),
        ("models/acme/vision/uploads/model.joblib", "acme"),
        ("models/Acme/vision/digits/model.joblib", "PLATFORM"),
        ("elsewhere/model.joblib", "PLATFORM"),
    ],
)
def test_a_key_that_names_no_model_is_kept_for_its_tenant_to_see(
    world: World, key: str, tenant: str
) -> None:
    assert world.run(world.put_key(key)) is UploadState.REJECTED

    ((place, rejected),) = world.table.rejected.items()
    assert place[0] == tenant
    assert (rejected.key, rejected.reason.code) == (key, "BadKey")
    assert "models/<tenant>/<project>/<model>/<file>" in (rejected.reason.remedy or "")
    assert world.table.uploads == {}


def test_an_upload_to_a_project_that_is_not_there_is_kept(world: World) -> None:
    arrival = world.put_key("models/acme/audio/digits/model.joblib")

    assert world.run(arrival) is UploadState.REJECTED
    (rejected,) = world.table.rejected.values()
    assert rejected.reason.code == "UnknownProject"
    assert rejected.reason.remedy


def test_another_tenants_project_is_not_there(world: World) -> None:
    assert world.run(world.put_key("models/globex/vision/digits/model.joblib"))

    (place,) = world.table.rejected
    assert place[0] == "globex"
    assert world.table.uploads == {}


def test_an_object_that_is_gone_before_it_was_read_is_kept(world: World) -> None:
    arrival = world.put("model.joblib")
    world.artifacts.purge(arrival.key)

    assert world.run(arrival) is UploadState.REJECTED
    (rejected,) = world.table.rejected.values()
    assert rejected.reason.code == "ObjectGone"


def test_a_repeat_of_a_refused_arrival_is_one_record(world: World, clock: Clock) -> None:
    arrival = world.put_key("models/acme/vision/digits")
    world.run(arrival)
    clock.advance(3600)
    world.run(world.again(arrival))

    assert len(world.table.rejected) == 1


def test_a_refused_file_does_not_stand_in_the_way_of_a_good_one(world: World) -> None:
    world.run(world.put("model.txt"))

    assert world.run(world.put("model.joblib")) is UploadState.REGISTERED
    assert [version.number for version in world.versions()] == [1]


def test_the_same_bytes_uploaded_twice_are_two_versions(world: World) -> None:
    world.run(world.put("model.joblib", CONTENT))
    world.run(world.put("model.joblib", CONTENT))

    assert [version.number for version in world.versions()] == [1, 2]


def test_a_repeated_event_of_a_plain_file_changes_nothing(world: World) -> None:
    arrival = world.put("model.joblib")
    world.run(arrival)
    history = len(world.table.upload_history)

    assert world.run(world.again(arrival)) is UploadState.REGISTERED
    assert len(world.versions()) == 1
    assert len(world.table.upload_history) == history


def test_a_repeat_while_another_execution_works_has_nothing_to_do(world: World) -> None:
    arrival = world.put("model.joblib")
    world.check(arrival)

    repeated = world.check(world.again(arrival))

    assert repeated.state is None
    assert repeated.reference is None


def test_a_tenant_that_overwrites_a_file_does_not_change_what_is_copied(world: World) -> None:
    arrival = world.put("model.joblib", b"first")
    checked = world.check(arrival)
    world.put("model.joblib", b"second")

    world.register(arrival, checked, world.copy(checked))

    assert world.artifacts.content("registry/tenant-acme/vision/digits/1/model.joblib") == b"first"


def test_a_file_of_an_upload_that_is_called_manifest_starts_nothing(world: World) -> None:
    arrival = world.put("uploads/june/data/manifest.json", b"{}")

    assert world.run(arrival) is None
    world.fail(arrival)
    assert world.table.rejected == {}
    assert world.table.uploads == {}


def test_a_manifest_that_says_it_is_for_another_model_is_refused(world: World) -> None:
    world.put("uploads/june/model.pkl", CONTENT)
    told = manifest(entry("model.pkl", CONTENT), project="vision", model="fraud")

    world.run(world.put("uploads/june/manifest.json", told))

    reason = reason_of_only_upload(world)
    assert reason.code == "OtherModel"
    assert "fraud" in reason.message
    assert reason.remedy
