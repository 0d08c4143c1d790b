"""What is unsafe to load is no version, who signed a version is known, what was swapped afterwards is not served."""

import json
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controlplane.registry.signatures import PAYLOAD_TYPE, pre_authentication_encoding
from local.demo.training import Training
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import manifest_of
from tests.stack.running import RunningStack
from tests.unit.adapters.pickles import attack
from tests.waiting import eventually

FILES = {"model.keras": b"a model of a format that nobody unpickles", "notes.txt": b"and text"}


def sign(manifest: Json, key: Ed25519PrivateKey) -> Json:
    payload = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    envelope = {
        "payload": b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"sig": b64encode(signature).decode()}],
    }
    return manifest | {"signature": envelope}


def test_a_pickle_that_runs_something_is_refused_and_a_real_model_is_clean(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("unsafe")
    files = {"model.joblib": training.first.file.read_bytes(), "extra/cache.bin": attack()}

    refused = project.ended_upload("digits", project.upload("digits", files))

    assert (refused["state"], refused["reason"]["code"]) == ("Rejected", "UnsafeArtifact")
    assert "extra/cache.bin imports posix.system" in refused["reason"]["message"]
    assert "model.joblib" not in refused["reason"]["message"]
    assert stack.stored(f"registry/tenant-acme/{project.name}/") == []
    registration = stack.executions("VersionRegistration")
    key = f"models/acme/{project.name}/digits/uploads/{refused['upload']}/manifest.json"
    arn, _ = registration.started_by_key(key)
    assert registration.ended(arn)["output"] == {"state": "Rejected"}

    version = project.publish("digits", training.first.file.read_bytes())
    scan = project.version("digits", version)["scan"]
    assert (scan["state"], scan["scanner"], scan["findings"]) == ("Clean", "picklescan", [])


def test_nothing_is_scanned_that_nobody_unpickles(
    stack: RunningStack, new_project: NewProject
) -> None:
    project = new_project("unscanned")

    with stack.throttled("ScanFile"):
        ended = project.ended_upload("digits", project.upload("digits", FILES, "tensorflow"))

    assert ended["state"] == "Registered"
    assert project.version("digits", ended["version"])["scan"]["state"] == "NotNeeded"


def test_a_manifest_is_verified_with_the_projects_keys(
    stack: RunningStack, new_project: NewProject
) -> None:
    project = new_project("signed")
    signer = Ed25519PrivateKey.generate()
    key = {
        "name": "release",
        "public_key": b64encode(signer.public_key().public_bytes_raw()).decode(),
    }
    administrator = stack.caller("acme", "tenant-admin")
    administrator.post(project.path("/signing-keys"), key)
    inbox = project.inbox("digits")
    for path, content in FILES.items():
        inbox.put(f"uploads/one/{path}", content)
    manifest = manifest_of(FILES, "tensorflow")

    inbox.put_manifest("one", sign(manifest, Ed25519PrivateKey.generate()))
    refused = project.ended_upload("digits", "one")
    assert (refused["state"], refused["reason"]["code"]) == ("Rejected", "SignatureInvalid")
    assert project.versions("digits") == []

    inbox.put_manifest("one", sign(manifest, signer))
    eventually(lambda: project.versions("digits"), "the signed manifest to be registered")
    assert project.version("digits", 1)["signature"]["key_id"] == "release"


@pytest.mark.parametrize("swap", ["other content", "removed", "a file more"])
def test_what_was_swapped_after_its_registration_is_not_served(
    stack: RunningStack, training: Training, new_project: NewProject, swap: str
) -> None:
    """By somebody with every right to the bucket; what is served stays served."""
    project = new_project("swapped")
    first = training.first.file.read_bytes()
    project.serve("digits", first)
    project.serve("digits", training.second.file.read_bytes())
    prefix = f"registry/tenant-acme/{project.name}/digits/1"
    s3, bucket = stack.aws("s3"), stack.described["models_bucket"]
    if swap == "removed":
        s3.delete_object(Bucket=bucket, Key=f"{prefix}/model.joblib")
    else:
        name = "model.joblib" if swap == "other content" else "more.joblib"
        s3.put_object(
            Bucket=bucket,
            Key=f"{prefix}/{name}",
            Body=first[:-1] + b"!",
            ChecksumAlgorithm="SHA256",
        )

    asked = project.roll_out("digits", 1)
    assert asked.status < 300, asked

    ended = project.settled("digits", 1)
    assert ended["last_rollout"]["state"] == "Failed"
    assert ended["last_rollout"]["reason"]["code"] == "ArtifactChanged"
    assert ended["last_rollout"]["reason"]["remedy"]
    assert ended["stable"]["version"] == 2
