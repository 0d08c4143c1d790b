"""Uploads over HTTP: presigned requests really sent, states, cancelling, expiry, and what is refused."""

import base64
import hashlib
import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.container import SetClock
from tests.functions.samples import Json
from tests.functions.scenario import FILES, MODEL_BYTES, Scenario, manifest_of, send

UPLOADS = "/projects/vision/models/digits/uploads"


def test_upload_of_several_files_becomes_a_version(call: Api, cloud: Cloud, acme: Scenario) -> None:
    opened = call("POST", UPLOADS, manifest_of(FILES))

    assert (opened.status, opened.etag) == (201, '"1"')
    ticket = opened.json
    upload = ticket["upload"]
    assert opened.headers["location"] == f"/api/v1{UPLOADS}/{upload['upload']}"
    assert (upload["state"], upload["origin"], upload["version"]) == ("Pending", "api", None)

    manifest = acme.send_all(ticket)
    registered = acme.register(acme.arrival(manifest))

    assert registered == {"state": "Registered", "model_version": 1}
    found = call("GET", f"{UPLOADS}/{upload['upload']}")
    assert (found.json["state"], found.json["version"]) == ("Registered", 1)
    version = call("GET", "/projects/vision/models/digits/versions/1").json
    assert version["uri"] == f"s3://{cloud.bucket}/registry/tenant-acme/vision/digits/1"
    assert {f["path"]: f["sha256"] for f in version["files"]} == {
        path: hashlib.sha256(content).hexdigest() for path, content in FILES.items()
    }
    stored = cloud.s3.get_object(
        Bucket=cloud.bucket, Key="registry/tenant-acme/vision/digits/1/model.joblib"
    )
    assert stored["Body"].read() == MODEL_BYTES


def test_presigned_request_signs_length_checksum_and_tag(call: Api, acme: Scenario) -> None:
    ticket = acme.open_upload()

    for put in [*ticket["files"], ticket["manifest"]]:
        query = parse_qs(urlsplit(put["url"]).query)
        [signed_headers] = query["X-Amz-SignedHeaders"]
        assert {"content-length", "x-amz-tagging", "x-amz-checksum-sha256", "host"} <= set(
            signed_headers.split(";")
        ) | {name.lower() for name in query}
        assert "content-length" in signed_headers.split(";")
        assert int(query["X-Amz-Expires"][0]) in range(2600, 2701)
        assert put["headers"]["x-amz-tagging"] == "headrace-upload=pending"
    content = ticket["manifest"]["content"].encode()
    headers = ticket["manifest"]["headers"]
    assert headers["Content-Length"] == str(len(content))
    digest = hashlib.sha256(content).digest()
    assert headers["x-amz-checksum-sha256"] == base64.b64encode(digest).decode()


def test_presigned_request_for_other_bytes_has_another_signature(acme: Scenario) -> None:
    """Length and checksum are part of what is signed: two files of one path differ in the signature."""
    first, second = (acme.open_upload({"m.joblib": content}) for content in (b"one", b"three"))

    def signed(ticket: Json) -> tuple[list[str], list[str]]:
        query = parse_qs(urlsplit(ticket["files"][0]["url"]).query)
        return query["X-Amz-SignedHeaders"], query["X-Amz-Signature"]

    assert signed(first)[0] == signed(second)[0]
    assert signed(first)[1] != signed(second)[1]


def test_upload_cancelled_ignores_what_arrives_after(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    ticket = acme.open_upload()
    path = f"{UPLOADS}/{ticket['upload']['upload']}"

    cancelled = call("DELETE", path)
    again = call("DELETE", path)

    assert (cancelled.status, cancelled.json["state"]) == (200, "Cancelled")
    assert cancelled.json["reason"]["code"] == "Cancelled"
    assert (again.status, again.json) == (200, cancelled.json)
    arrival = acme.arrival(acme.send_all(ticket))
    assert acme.register(arrival)["state"] == "Cancelled"
    assert call("GET", path).json["state"] == "Cancelled"
    assert call("GET", "/projects/vision/models/digits").status == 404
    assert [e["metadata"]["type"] for e in cloud.stored_events()].count("UploadEnded") == 1


def test_upload_that_is_being_registered_cannot_be_cancelled(call: Api, acme: Scenario) -> None:
    ticket = acme.open_upload()
    invoke("registry/check_upload", acme.arrival(acme.send_all(ticket)))

    refused = call("DELETE", f"{UPLOADS}/{ticket['upload']['upload']}")

    assert (refused.status, refused.code) == (409, "conflict")


def test_upload_expires_when_nobody_completes_it(
    call: Api, acme: Scenario, later: SetClock
) -> None:
    ticket = acme.open_upload()
    path = f"{UPLOADS}/{ticket['upload']['upload']}"

    later(timedelta(minutes=44))
    assert call("GET", path).json["state"] == "Pending"
    later(timedelta(minutes=46))

    assert call("GET", path).json["state"] == "Expired"
    assert [u["state"] for u in call("GET", UPLOADS).json["items"]] == ["Expired"]
    refused = call("DELETE", path)
    assert (refused.status, refused.code) == (409, "conflict")


def test_manifest_after_the_deadline_registers_nothing(
    call: Api, acme: Scenario, later: SetClock
) -> None:
    later(timedelta(minutes=-61))
    ticket = acme.open_upload()
    later(timedelta(0))

    assert acme.register(acme.arrival(acme.send_all(ticket)))["state"] == "Expired"
    assert call("GET", "/projects/vision/models/digits").status == 404


def test_manifest_in_time_counts_also_if_its_event_comes_late(
    call: Api, acme: Scenario, later: SetClock
) -> None:
    ticket = acme.open_upload()
    manifest = acme.send_all(ticket)
    later(timedelta(minutes=46))

    assert acme.register(acme.arrival(manifest))["state"] == "Registered"


def test_uploads_of_a_model_are_listed_with_their_states(call: Api, acme: Scenario) -> None:
    first = acme.open_upload()["upload"]["upload"]
    second = acme.open_upload()["upload"]["upload"]
    acme.open_upload(model="letters")
    call("DELETE", f"{UPLOADS}/{first}")

    listed = call("GET", UPLOADS).json["items"]

    assert {u["upload"]: u["state"] for u in listed} == {first: "Cancelled", second: "Pending"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"format": "cobol"}, "body.format"),
        ({"files": []}, "body.files"),
        ({"files": [{"path": "../x", "size": 1, "sha256": "0" * 64}]}, "body.files.0.path"),
        (
            {"files": [{"path": "manifest.json", "size": 1, "sha256": "0" * 64}]},
            "body.files.0.path",
        ),
        ({"files": [{"path": "m.joblib", "size": -1, "sha256": "0" * 64}]}, "body.files.0.size"),
        ({"files": [{"path": "m.joblib", "size": 0, "sha256": "0" * 64}]}, "body.files.0.size"),
        ({"files": [{"path": "m.joblib", "size": 1, "sha256": "no"}]}, "body.files.0.sha256"),
        ({"files": [{"path": "m", "size": 1, "sha256": "0" * 64}] * 2}, "body"),
        ({"more": 1}, "body.more"),
    ],
)
def test_upload_with_a_bad_manifest_names_the_field(
    call: Api, acme: Scenario, change: Json, field: str
) -> None:
    refused = call("POST", UPLOADS, manifest_of(FILES) | change)

    assert (refused.status, refused.code) == (422, "invalid_request")
    assert refused.json["errors"][0]["field"] == field
    assert call("GET", UPLOADS).json["items"] == []


def test_upload_beyond_the_tiers_limits_refused(call: Api, cloud: Cloud) -> None:
    cloud.add_tenant("tiny", limits={"max_model_bytes": 10, "max_upload_files": 1})
    tiny = Scenario(call, cloud, tenant="tiny")
    tiny.create_project()

    large = tiny.call("POST", UPLOADS, manifest_of({"m.joblib": b"eleven bytes"}))
    many = tiny.call("POST", UPLOADS, manifest_of({"a": b"1", "b": b"2"}))

    for refused in (large, many):
        assert (refused.status, refused.code) == (422, "limit_exceeded")
        assert refused.json["remedy"]


def test_upload_of_a_file_above_five_gibibytes_says_to_shard(call: Api, acme: Scenario) -> None:
    file = {"path": "m.joblib", "size": 5 * 1024**3 + 1, "sha256": "0" * 64}

    refused = call("POST", UPLOADS, {"format": "sklearn", "files": [file]})

    assert (refused.status, refused.code) == (422, "limit_exceeded")
    assert "shard" in refused.json["remedy"].lower()


def test_upload_into_an_unknown_project_is_not_found(call: Api, cloud: Cloud) -> None:
    refused = call("POST", UPLOADS, manifest_of(FILES))

    assert (refused.status, refused.code) == (404, "not_found")


def test_repeated_upload_request_signs_for_the_first_upload(call: Api, acme: Scenario) -> None:
    key = {"Idempotency-Key": "one"}

    first, second = (acme.open_upload(headers=key) for _ in range(2))

    assert first["upload"] == second["upload"]
    assert send(second["files"][0], FILES[second["files"][0]["path"]]) == 200
    assert len(call("GET", UPLOADS).json["items"]) == 1


def test_pending_upload_is_not_completed_with_somebody_elses_files(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    """By credentials for the model, with which its files and manifest can be written as well."""
    ticket = acme.open_upload(subject="ada")
    folder = f"models/acme/vision/digits/uploads/{ticket['upload']['upload']}"
    others = {"model.joblib": b"mallory's"}
    acme.put_object(f"{folder}/model.joblib", others["model.joblib"])
    acme.put_object(f"{folder}/manifest.json", json.dumps(manifest_of(others)).encode())

    assert acme.register(acme.arrival(f"{folder}/manifest.json"))["state"] == "Rejected"

    found = call("GET", f"{UPLOADS}/{ticket['upload']['upload']}").json
    assert found["reason"]["code"] == "ManifestNotAnnounced"
    assert found["reason"]["remedy"]
    assert cloud.keys("registry/") == []


def test_upload_with_fractions_signs_the_same_when_it_is_repeated(
    call: Api, acme: Scenario
) -> None:
    """What is announced comes back from the table as it was: NaN and fractions are text there."""
    metadata = {"metrics": {"accuracy": 0.1 + 0.2, "f1": None}, "run": "r"}
    wanted = manifest_of({"model.joblib": MODEL_BYTES}) | {"metadata": metadata, "model": "digits"}
    once = {"Idempotency-Key": "once"}
    first = call("POST", UPLOADS, wanted, headers=once).json

    repeated = call("POST", UPLOADS, wanted, headers=once).json

    assert repeated["manifest"]["content"] == first["manifest"]["content"]
    key = acme.send_all(repeated, {"model.joblib": MODEL_BYTES})
    assert acme.register(acme.arrival(key))["state"] == "Registered"


def test_empty_file_is_refused_with_what_to_do_about_it(call: Api, acme: Scenario) -> None:
    files = {"MLmodel": b"flavors: {}", "code/__init__.py": b""}

    refused = call("POST", UPLOADS, manifest_of(files, "mlflow"))

    assert (refused.status, refused.code) == (422, "invalid_request")
    [fault] = refused.json["errors"]
    assert fault["field"] == "body.files.1.size"
    assert "write a newline into it" in fault["problem"]


def test_file_beside_a_folder_of_its_name_is_refused(call: Api, acme: Scenario) -> None:
    refused = call("POST", UPLOADS, manifest_of({"a": b"x", "a/b": b"y"}, "mlflow"))

    assert (refused.status, refused.code) == (422, "invalid_request")
    assert "a is a file, and the folder of another file" in refused.body


def test_file_that_is_called_as_manifests_are_starts_nothing(call: Api, acme: Scenario) -> None:
    files = {"MLmodel": b"flavors: {}", "data/manifest.json": b"{}"}
    key = acme.send_all(call("POST", UPLOADS, manifest_of(files, "mlflow")).json, files)
    within = key.replace("manifest.json", "data/manifest.json")

    assert acme.register(acme.arrival(within))["state"] is None

    assert call("GET", "/rejected-uploads").json["items"] == []
    assert acme.register(acme.arrival(key))["state"] == "Registered"


def test_upload_with_a_manifest_for_another_model_is_refused(call: Api, acme: Scenario) -> None:
    for named in ({"model": "fraud"}, {"project": "speech"}):
        refused = call("POST", UPLOADS, manifest_of(FILES) | named)

        assert (refused.status, refused.code) == (422, "invalid_request")
        assert refused.json["remedy"]
