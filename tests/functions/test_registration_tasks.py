"""The tasks of VersionRegistration: every arrival ends in a recorded state, and a repeat changes nothing."""

import hashlib
import json
from typing import Any

import pytest

from controlplane.errors import UnavailableError
from local.bench.wire import Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json, execution_ended, on_the_bus, sample
from tests.functions.scenario import FILES, MODEL_BYTES, Scenario, manifest_of

FOLDER = "models/acme/vision/digits/uploads/nightly"
PLAIN = "models/acme/vision/digits/model.joblib"
UPLOADS = "/projects/vision/models/digits/uploads"


def put_folder(acme: Scenario, files: dict[str, bytes], manifest: Any) -> str:
    """An upload of several files by `aws s3 cp`, the manifest last; the manifest's key."""
    for path, content in files.items():
        acme.put_object(f"{FOLDER}/{path}", content)
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    acme.put_object(f"{FOLDER}/manifest.json", text)
    return f"{FOLDER}/manifest.json"


def only_upload(acme: Scenario) -> Json:
    [upload] = acme.call("GET", UPLOADS).json["items"]
    found: Json = upload
    return found


@pytest.mark.parametrize("with_version", [True, False], ids=["version-id", "no-version-id"])
def test_plain_file_becomes_a_version_of_its_suffixs_format(
    call: Api, acme: Scenario, with_version: bool
) -> None:
    version_id = acme.put_object(PLAIN, MODEL_BYTES)

    registered = acme.register(acme.arrival(PLAIN, version_id if with_version else None))

    assert registered == {"state": "Registered", "model_version": 1}
    version = call("GET", "/projects/vision/models/digits/versions/1").json
    assert version["format"] == "sklearn"
    assert version["source"]["version_id"] == version_id
    assert version["files"] == manifest_of({"model.joblib": MODEL_BYTES})["files"]
    assert only_upload(acme)["origin"] == "file"


def test_folder_with_a_manifest_becomes_a_version(call: Api, acme: Scenario) -> None:
    manifest = put_folder(acme, FILES, manifest_of(FILES) | {"framework_version": "1.9.1"})

    assert acme.register(acme.arrival(manifest))["state"] == "Registered"

    version = call("GET", "/projects/vision/models/digits/versions/1").json
    assert version["framework_version"] == "1.9.1"
    assert only_upload(acme)["origin"] == "folder"


def test_event_delivered_twice_registers_once(acme: Scenario, cloud: Cloud) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))
    acme.register(arrival)
    before = cloud.items()

    repeated = acme.register(arrival | {"execution": "another"})

    assert repeated["state"] == "Registered"
    assert cloud.items() == before


def test_task_repeated_within_an_execution_answers_the_same(acme: Scenario) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))

    first = invoke("registry/check_upload", arrival)
    second = invoke("registry/check_upload", arrival)

    assert first["reference"] == second["reference"]
    assert first["files"] == second["files"]
    assert acme.register(arrival)["state"] == "Registered"
    assert acme.register(arrival)["state"] == "Registered"


def test_two_executions_of_one_arrival_register_once(acme: Scenario, call: Api) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))
    invoke("registry/check_upload", arrival)

    second = acme.register(arrival | {"execution": "another"})

    assert second["state"] is None
    assert acme.register(arrival)["state"] == "Registered"
    assert call("GET", "/projects/vision/models/digits").json["versions"] == 1


def test_late_event_still_registers_but_stands_before_the_newer(
    acme: Scenario, cloud: Cloud
) -> None:
    early = acme.arrival(PLAIN, acme.put_object(PLAIN, b"early"))
    late = acme.arrival(PLAIN, acme.put_object(PLAIN, b"late"))

    assert acme.register(late)["model_version"] == 1
    assert acme.register(early)["model_version"] == 2

    positions = [
        cloud.item(acme.partition, f"VERSION#digits#0000000{n}")["position"] for n in (1, 2)
    ]
    assert positions[0] > positions[1]


@pytest.mark.parametrize(
    ("files", "manifest", "reason"),
    [
        ({"m.joblib": b"x"}, manifest_of({"m.joblib": b"y"}), "DigestMismatch"),
        ({"m.joblib": b"x"}, manifest_of({"m.joblib": b"yy"}), "SizeMismatch"),
        ({}, manifest_of({"m.joblib": b"x"}), "MissingFile"),
        ({"m.joblib": b"x"}, manifest_of({"m.joblib": b"x"}, "cobol"), "BadManifest"),
        ({"m.joblib": b"x"}, b"no json", "BadManifest"),
        ({"m.joblib": b"x"}, b"\xff\xfe", "BadManifest"),
        ({"m.joblib": b"x"}, b"{}" + b" " * 300_000, "BadManifest"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_upload_that_is_not_what_it_says_is_rejected_and_a_later_good_one_works(
    acme: Scenario, cloud: Cloud, files: dict[str, bytes], manifest: Any, reason: str
) -> None:
    key = put_folder(acme, files, manifest)

    assert acme.register(acme.arrival(key))["state"] == "Rejected"

    upload = only_upload(acme)
    assert (upload["state"], upload["reason"]["code"]) == ("Rejected", reason)
    assert upload["reason"]["message"]
    assert upload["reason"]["remedy"]
    assert cloud.keys("registry/") == []
    ended = cloud.item(acme.partition, "UPLOAD#digits#nightly")["event"]
    assert ended["detail_type"] == "UploadEnded"

    good = {"m.joblib": b"good"}
    again = put_folder(acme, good, manifest_of(good))
    assert acme.register(acme.arrival(again))["state"] == "Registered"
    assert only_upload(acme)["state"] == "Registered"


def test_copy_that_differs_from_the_manifest_is_not_registered(
    acme: Scenario, cloud: Cloud
) -> None:
    """Where S3 told no checksum of the source, the copy's decides; what was copied is removed."""
    key = put_folder(acme, FILES, manifest_of(FILES))
    arrival = acme.arrival(key)
    checked = invoke("registry/check_upload", arrival)
    carried = {"correlation_id": "c", "reference": checked["reference"]}
    copies = [acme.copy(carried, f) for f in checked["files"]]
    assert len(cloud.keys("registry/")) == 2
    copies[0]["sha256"] = "0" * 64

    given = carried | {"copies": copies, "execution": arrival["execution"]}
    assert invoke("registry/register_version", given)["state"] == "Rejected"

    assert only_upload(acme)["reason"]["code"] == "DigestMismatch"
    assert cloud.keys("registry/") == []


def test_copied_file_tells_the_sha256_that_s3_computed(acme: Scenario, cloud: Cloud) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))
    checked = invoke("registry/check_upload", arrival)

    copied = invoke(
        "registry/copy_file",
        {"correlation_id": "c", "reference": checked["reference"], "file": checked["files"][0]},
    )

    digest = hashlib.sha256(MODEL_BYTES).hexdigest()
    key = "registry/tenant-acme/vision/digits/1/model.joblib"
    head = cloud.s3.head_object(Bucket=cloud.bucket, Key=key)
    assert copied == {
        "path": "model.joblib",
        "size": len(MODEL_BYTES),
        "sha256": digest,
        "version_id": head["VersionId"],
        "scan_as": "sklearn",
        "scan": None,
    }


def test_copy_takes_the_checked_object_version_not_a_later_one(
    acme: Scenario, cloud: Cloud
) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))
    checked = invoke("registry/check_upload", arrival)
    acme.put_object(PLAIN, b"swapped in between")

    acme.register(arrival)

    key = "registry/tenant-acme/vision/digits/1/model.joblib"
    assert cloud.s3.get_object(Bucket=cloud.bucket, Key=key)["Body"].read() == MODEL_BYTES
    assert checked["state"] == "Copying"


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("models/acme/vision/Digits/model.joblib", "BadKey"),
        ("models/acme/vision/model.joblib", "BadKey"),
        ("models/acme/vision/digits/a/b/model.joblib", "BadKey"),
        ("models/acme/nowhere/digits/model.joblib", "UnknownProject"),
        ("models/acme/vision/digits/gone.joblib", "ObjectGone"),
    ],
)
def test_arrival_that_belongs_nowhere_is_kept_for_the_tenant(
    call: Api, acme: Scenario, key: str, code: str
) -> None:
    arrival = acme.arrival(key)

    states = [acme.register(given)["state"] for given in (arrival, arrival)]

    assert states == ["Rejected", "Rejected"]
    [rejected] = call("GET", "/rejected-uploads").json["items"]
    assert (rejected["key"], rejected["reason"]["code"]) == (key, code)
    assert call("GET", "/rejected-uploads", tenant="globex").json["items"] == []


@pytest.mark.parametrize(
    "key",
    [
        "models/nobody/vision/digits/m.joblib",
        "models/Nobody/vision/digits/m.joblib",
        "elsewhere/m.joblib",
    ],
)
def test_arrival_of_no_tenant_is_kept_where_no_tenant_sees_it(
    cloud: Cloud, acme: Scenario, key: str
) -> None:
    """Also not a tenant of that name who comes later."""
    assert acme.register(acme.arrival(key))["state"] == "Rejected"

    kept = [i["pk"] for i in cloud.items() if i["sk"].startswith("REJECTED#")]
    assert kept == ["PLATFORM"]


@pytest.mark.parametrize(("name", "code"), [("m.exe", "UnknownFormat"), ("m.pkl", "EmptyFile")])
def test_plain_file_that_can_be_no_model_is_rejected(acme: Scenario, name: str, code: str) -> None:
    key = f"models/acme/vision/digits/{name}"
    version = acme.put_object(key, b"" if code == "EmptyFile" else b"x")

    assert acme.register(acme.arrival(key, version))["state"] == "Rejected"

    assert only_upload(acme)["reason"]["code"] == code


def test_model_beyond_the_tiers_limit_is_rejected(call: Api, cloud: Cloud) -> None:
    cloud.add_tenant("tiny", limits={"max_model_bytes": 3, "max_upload_files": 5})
    tiny = Scenario(call, cloud, tenant="tiny")
    tiny.create_project()
    key = "models/tiny/vision/digits/model.joblib"

    assert tiny.register(tiny.arrival(key, tiny.put_object(key, b"four")))["state"] == "Rejected"

    assert only_upload(tiny)["reason"]["code"] == "LimitExceeded"


def test_project_deleted_meanwhile_rejects_the_upload(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))
    checked = invoke("registry/check_upload", arrival)
    carried = {"correlation_id": "c", "reference": checked["reference"]}
    copy = acme.copy(carried, checked["files"][0])
    assert call("DELETE", "/projects/vision").status == 204

    given = carried | {"copies": [copy], "execution": arrival["execution"]}
    assert invoke("registry/register_version", given)["state"] == "Rejected"

    assert only_upload(acme)["reason"]["code"] == "UnknownProject"
    assert cloud.keys("registry/") == []


def test_failed_registration_is_recorded_and_the_same_file_may_come_again(
    acme: Scenario, cloud: Cloud
) -> None:
    version_id = acme.put_object(PLAIN, MODEL_BYTES)
    arrival = acme.arrival(PLAIN, version_id)
    checked = invoke("registry/check_upload", arrival)
    carried = {"correlation_id": "c", "reference": checked["reference"]}
    invoke("registry/copy_file", carried | {"file": checked["files"][0]})

    invoke("registry/fail_upload", arrival | {"error": "UnavailableError"})
    invoke("registry/fail_upload", arrival | {"error": "UnavailableError"})

    upload = only_upload(acme)
    assert (upload["state"], upload["reason"]["code"]) == ("Failed", "RegistrationFailed")
    assert "UnavailableError" in upload["reason"]["message"]
    assert cloud.keys("registry/") == []
    again = acme.register(acme.arrival(PLAIN, version_id))
    assert again == {"state": "Registered", "model_version": 2}


def test_failure_of_another_execution_does_not_undo_a_registration(acme: Scenario) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))
    acme.register(arrival)

    invoke("registry/fail_upload", arrival | {"execution": "late", "error": "States.Timeout"})

    assert only_upload(acme)["state"] == "Registered"


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_execution_that_died_without_a_word_is_recorded(acme: Scenario, status: str) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))
    invoke("registry/check_upload", arrival)
    ended = execution_ended(
        "execution_failed_version_registration", arrival["execution"], arrival["event"], status
    )

    invoke("registry/record_ended_execution", ended)
    invoke("registry/record_ended_execution", ended)

    upload = only_upload(acme)
    assert upload["state"] == "Failed"
    assert status in upload["reason"]["message"]


def test_execution_that_died_before_its_first_step_is_recorded(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    """The sample as it is: the object is not there (any more)."""
    invoke("registry/record_ended_execution", sample("execution_failed_version_registration"))

    [rejected] = call("GET", "/rejected-uploads").json["items"]
    assert rejected["reason"]["code"] == "RegistrationFailed"


def test_artifacts_of_one_version_are_deleted_with_all_object_versions(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    acme.upload_version()
    acme.put_object("registry/tenant-acme/vision/digits/10/model.joblib", b"ten, not one")
    acme.put_object("registry/tenant-acme/vision/digits/1/model.joblib", b"once more")
    call("DELETE", "/projects/vision/models/digits/versions/1")
    event = on_the_bus(cloud.item(acme.partition, "VERSION#digits#00000001")["event"])

    invoke("registry/delete_artifacts", event)
    invoke("registry/delete_artifacts", event)

    left = cloud.s3.list_object_versions(Bucket=cloud.bucket, Prefix="registry/")["Versions"]
    assert [entry["Key"].split("/")[4] for entry in left] == ["10"]


def test_bucket_that_does_not_answer_is_an_error_that_is_tried_again(
    acme: Scenario, monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    arrival = acme.arrival(PLAIN, acme.put_object(PLAIN, MODEL_BYTES))
    wire.before = lambda made: (500, {}) if made.service == "s3" else None

    with pytest.raises(UnavailableError):
        invoke("registry/check_upload", arrival)

    wire.before = None
    assert acme.register(arrival)["state"] == "Registered"
