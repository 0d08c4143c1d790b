"""Every upload that can be no version ends in a state that says why, and a later good one works."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest

from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import Inbox, Project, manifest_of, send
from tests.stack.running import RunningStack
from tests.waiting import eventually

PAST = "2020-01-01T00:00:00Z"
# Registered, but not served: these tests are about the registry, and model servers cost time.
UNSERVED = "model.onnx"
# Copying them takes a second or more.
MANY_FILES = {f"part-{number:02}.bin": b"%d" % number for number in range(40)}
FILES = {"weights/part.bin": b"some weights", "labels.txt": b"zero one two"}


def assert_refused(upload: Json, code: str, *words: str) -> None:
    """The upload ended Rejected for that reason, in words that a person can act on."""
    assert upload["state"] == "Rejected", upload
    assert upload["reason"]["code"] == code
    assert upload["reason"]["remedy"]
    for word in words:
        assert word in upload["reason"]["message"]
    assert upload["version"] is None


def assert_later_upload_works(project: Project, inbox: Inbox, model: str, version: int) -> None:
    inbox.put(UNSERVED, b"a good model")
    eventually(lambda: project.versions(model) == [version], "the later upload to be registered")


def put_files(inbox: Inbox, folder: str, files: dict[str, bytes], **options: Any) -> None:
    for path, content in files.items():
        inbox.put(f"uploads/{folder}/{path}", content, **options)


@pytest.mark.parametrize(
    ("options", "found_in"),
    [({"ChecksumAlgorithm": "SHA256"}, "CheckUpload"), ({}, "RegisterVersion")],
    ids=["a checksum that S3 knows", "a checksum that only the copy tells"],
)
def test_a_digest_that_is_not_the_files_is_found(
    stack: RunningStack, new_project: NewProject, options: dict[str, str], found_in: str
) -> None:
    project = new_project("lies")
    inbox = project.inbox("digits")
    put_files(inbox, "batch", FILES, **options)

    inbox.put_manifest("batch", manifest_of(FILES, "onnx", sha256="0" * 64))

    refused = project.ended_upload("digits", "batch")
    assert_refused(refused, "DigestMismatch", "weights/part.bin", "0" * 64)
    registration = stack.executions("VersionRegistration")
    arn, _ = registration.started_by_key(inbox.key("uploads/batch/manifest.json"))
    assert registration.ended(arn)["output"] == {"state": "Rejected"}
    tasks = [
        state for state in registration.states(arn) if state in ("CheckUpload", "RegisterVersion")
    ]
    assert tasks[-1] == found_in
    assert stack.stored(f"registry/tenant-acme/{project.name}/") == []

    inbox.put_manifest("batch", manifest_of(FILES, "onnx"))
    eventually(lambda: project.versions("digits"), "the corrected manifest to be registered")
    assert project.ended_upload("digits", "batch")["state"] == "Registered"


def test_a_missing_file_can_be_sent_later(new_project: NewProject) -> None:
    project = new_project("missing")
    ticket = project.open_upload("digits", manifest_of(FILES, "onnx"))
    upload = ticket["upload"]["upload"]
    manifest = ticket["manifest"]
    there, absent = ticket["files"]
    assert send(there, FILES[there["path"]]) == HTTPStatus.OK
    assert send(manifest, manifest["content"].encode()) == HTTPStatus.OK
    assert_refused(project.ended_upload("digits", upload), "MissingFile", absent["path"])

    assert send(absent, FILES[absent["path"]]) == HTTPStatus.OK
    assert send(manifest, manifest["content"].encode()) == HTTPStatus.OK

    eventually(lambda: project.versions("digits") == [1], "the completed upload to be registered")
    ended = project.ended_upload("digits", upload)
    assert (ended["state"], ended["version"], ended["reason"]) == ("Registered", 1, None)
    paths = {file["path"] for file in project.version("digits", 1)["files"]}
    assert paths == set(FILES)


@pytest.mark.parametrize(
    ("manifest", "code", "word"),
    [
        (manifest_of(FILES, "onnx", size=5), "SizeMismatch", "12 bytes"),
        (manifest_of(FILES, "abacus"), "BadManifest", "unknown model format"),
        (b'{"format": "onnx", "files": [', "BadManifest", "JSON"),
        (b"\xff\xfe", "BadManifest", "UTF-8"),
        ({"format": "onnx", "files": []}, "BadManifest", "files"),
        (manifest_of({"../../other/model": b"x"}, "onnx"), "BadManifest", "path"),
    ],
    ids=["size", "format", "half a JSON", "no text", "no files", "path"],
)
def test_a_manifest_that_cannot_be_true_is_refused(
    new_project: NewProject, manifest: Json | bytes, code: str, word: str
) -> None:
    project = new_project("manifest")
    inbox = project.inbox("digits")
    put_files(inbox, "batch", FILES)

    inbox.put_manifest("batch", manifest)

    assert_refused(project.ended_upload("digits", "batch"), code, word)
    assert_later_upload_works(project, inbox, "digits", 1)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("model.zip", b"PK", "UnknownFormat"), ("model.onnx", b"", "EmptyFile")],
)
def test_a_file_that_is_no_model_is_refused(
    new_project: NewProject, name: str, content: bytes, code: str
) -> None:
    project = new_project("file")
    inbox = project.inbox("digits")

    inbox.put(name, content)

    (upload,) = project.ended_uploads("digits", 1)
    assert_refused(upload, code, name)
    assert_later_upload_works(project, inbox, "digits", 1)


@contextmanager
def limits(stack: RunningStack, tenant: str, **values: int) -> Iterator[None]:
    """Give the tenant a tier's limits of its own for a while."""
    stored = {"M": {name: {"N": str(value)} for name, value in values.items()}}
    stack.update_item(f"TENANT#{tenant}", "TENANT", "SET limits = :limits", {":limits": stored})
    try:
        yield
    finally:
        everything: Json = {"M": {}}
        stack.update_item(
            f"TENANT#{tenant}", "TENANT", "SET limits = :limits", {":limits": everything}
        )


def test_what_exceeds_the_tiers_limits_is_refused(
    stack: RunningStack, new_project: NewProject
) -> None:
    project = new_project("limits", tenant="globex")
    inbox = project.inbox("digits")
    with limits(stack, "globex", max_model_bytes=20, max_upload_files=2):
        uploads = project.path("/models/digits/uploads")
        announced = project.caller.call("POST", uploads, manifest_of(FILES))
        assert announced.status >= HTTPStatus.BAD_REQUEST
        assert announced.body["code"] == "limit_exceeded"
        assert announced.body["remedy"]
        assert project.uploads("digits") == []

        inbox.put("model.onnx", bytes(21))
        many = {f"{number}.bin": b"1" for number in range(3)}
        put_files(inbox, "many", many)
        inbox.put_manifest("many", manifest_of(many, "onnx"))
        put_files(inbox, "large", FILES)
        inbox.put_manifest("large", manifest_of(FILES, "onnx"))

        by_name = {upload["upload"]: upload for upload in project.ended_uploads("digits", 3)}
        assert_refused(by_name.pop("many"), "LimitExceeded", "3 files", "limit is 2")
        assert_refused(by_name.pop("large"), "LimitExceeded", "24 bytes", "limit is 20")
        (single,) = by_name.values()
        assert_refused(single, "LimitExceeded", "21 bytes", "limit is 20")

        inbox.put("model.onnx", bytes(20))
        eventually(lambda: project.versions("digits") == [1], "what fits to be registered")


def test_a_cancelled_upload_stays_so(stack: RunningStack, new_project: NewProject) -> None:
    project = new_project("cancelled")
    ticket = project.open_upload("digits", manifest_of(FILES, "onnx"))
    upload = ticket["upload"]["upload"]
    path = project.path(f"/models/digits/uploads/{upload}")
    assert project.caller.call("DELETE", path).status == HTTPStatus.OK

    _send_all(ticket)

    _assert_ignored(stack, project, upload, "Cancelled")


def test_an_upload_that_comes_after_its_deadline_stays_expired(
    stack: RunningStack, new_project: NewProject
) -> None:
    project = new_project("expired")
    ticket = project.open_upload("digits", manifest_of(FILES, "onnx"))
    upload = ticket["upload"]["upload"]
    stack.update_item(
        f"TENANT#acme#PROJECT#{project.name}",
        f"UPLOAD#digits#{upload}",
        "SET deadline = :past",
        {":past": {"S": PAST}},
    )

    _send_all(ticket)

    _assert_ignored(stack, project, upload, "Expired")


def _send_all(ticket: Json) -> None:
    for put in ticket["files"]:
        assert send(put, FILES[put["path"]]) == HTTPStatus.OK
    assert send(ticket["manifest"], ticket["manifest"]["content"].encode()) == HTTPStatus.OK


def _assert_ignored(stack: RunningStack, project: Project, upload: str, state: str) -> None:
    registration = stack.executions("VersionRegistration")
    key = f"models/acme/{project.name}/digits/uploads/{upload}/manifest.json"
    arn, _ = registration.started_by_key(key)
    assert registration.ended(arn)["output"] == {"state": state}
    assert project.ended_upload("digits", upload)["state"] == state
    assert project.versions("digits") == []
    later = project.upload("digits", FILES, "onnx")
    assert project.ended_upload("digits", later)["state"] == "Registered"
    assert project.versions("digits") == [1]


def test_what_belongs_to_no_project_or_model_is_listed(
    stack: RunningStack, new_project: NewProject
) -> None:
    project = new_project("known")
    deleted = new_project("deleted")
    assert deleted.caller.call("DELETE", deleted.path()).status == HTTPStatus.NO_CONTENT
    keys = {
        "models/acme/no-such-project/digits/model.onnx": "UnknownProject",
        f"models/acme/{deleted.name}/digits/model.onnx": "UnknownProject",
        f"models/acme/{project.name}/Digits/model.onnx": "BadKey",
        f"models/acme/{project.name}/model.onnx": "BadKey",
        f"models/acme/{project.name}/digits/uploads/Batch/manifest.json": "BadKey",
    }
    for key in keys:
        stack.aws("s3").put_object(Bucket=stack.described["models_bucket"], Key=key, Body=b"x")

    def listed() -> dict[str, Json] | None:
        items = project.caller.get("/rejected-uploads")["items"]
        found = {item["key"]: item["reason"] for item in items if item["key"] in keys}
        return found if set(found) == set(keys) else None

    reasons = eventually(listed, "all keys to be listed")
    assert {key: reason["code"] for key, reason in reasons.items()} == keys
    assert all(reason["remedy"] for reason in reasons.values())
    others = stack.caller("globex").get("/rejected-uploads")["items"]
    assert not set(keys) & {item["key"] for item in others}
    assert_later_upload_works(project, project.inbox("digits"), "digits", 1)


def test_a_project_that_goes_while_its_upload_is_copied_gets_no_version(
    stack: RunningStack, new_project: NewProject
) -> None:
    project = new_project("going")
    registration = stack.executions("VersionRegistration")
    inbox = project.inbox("digits")
    put_files(inbox, "batch", MANY_FILES)
    inbox.put_manifest("batch", manifest_of(MANY_FILES, "onnx"))
    project.wait_for_upload_state("digits", "batch", "Copying")
    assert project.caller.call("DELETE", project.path()).status == HTTPStatus.NO_CONTENT

    arn, _ = registration.started_by_key(inbox.key("uploads/batch/manifest.json"))
    assert registration.ended(arn)["output"] == {"state": "Rejected"}
    assert stack.stored(f"registry/tenant-acme/{project.name}/") == []
