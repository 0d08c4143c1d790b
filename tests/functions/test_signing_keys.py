"""Signing keys through the API, and signed uploads against the table and the bucket."""

import json
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from controlplane.registry.signatures import PAYLOAD_TYPE, pre_authentication_encoding
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.examples import PUBLIC_KEY
from tests.functions.samples import Json
from tests.functions.scenario import FILES, MODEL_BYTES, Scenario, manifest_of

KEYS = "/projects/vision/signing-keys"
VERSION = "/projects/vision/models/digits/versions/1"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ADMIN = "tenant-admin"


def trust(call: Api, name: str = "release", key: Ed25519PrivateKey = SIGNER) -> Json:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    made = call("POST", KEYS, {"name": name, "public_key": pem.decode()}, role=ADMIN)
    assert made.status == 201, made.body
    shown: Json = made.json
    return shown


def signed(manifest: Json, key: Ed25519PrivateKey = SIGNER) -> Json:
    """The manifest with its envelope."""
    payload = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    signature = key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    envelope = {
        "payload": b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": "release", "sig": b64encode(signature).decode()}],
    }
    return manifest | {"signature": envelope}


def upload(acme: Scenario, manifest: Json, folder: str = "nightly") -> Json:
    """By the API, whose manifest is sent as it comes."""
    opened = acme.call("POST", "/projects/vision/models/digits/uploads", manifest)
    assert opened.status == 201, opened.body
    return acme.register(acme.arrival(acme.send_all(opened.json)))


def clearance(call: Api, **policy: Any) -> list[Json]:
    if policy:
        path = "/projects/vision/registry-policy"
        assert call("PUT", path, policy, role=ADMIN).status == 200
    found: list[Json] = call("GET", f"{VERSION}/clearance").json["gates"]
    return [gate for gate in found if gate["gate"] == "signature_present"]


def test_a_key_is_made_listed_and_revoked_but_never_gone(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    made = trust(call)
    assert (made["status"], len(made["fingerprint"])) == ("Active", 64)
    found = call("GET", f"{KEYS}/release", role="viewer")
    assert found.json == made
    stale = call("DELETE", f"{KEYS}/release", headers={"If-Match": '"9"'}, role=ADMIN)
    assert (stale.status, stale.code) == (412, "precondition_failed")

    headers = {"If-Match": found.etag}
    revoked = call("DELETE", f"{KEYS}/release", headers=headers, role=ADMIN)

    assert (revoked.status, revoked.json["status"]) == (200, "Revoked")
    assert revoked.json["revoked_by"] == "sub-acme-tenant-admin"
    assert call("GET", KEYS).json["items"] == [revoked.json]
    again = call("POST", KEYS, {"name": "release", "public_key": PUBLIC_KEY}, role=ADMIN)
    assert (again.status, again.code) == (409, "already_exists")
    event = cloud.item(acme.partition, "SIGNINGKEY#release")["event"]
    assert event["detail_type"] == "SigningKeyRevoked"


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_who_makes_versions_does_not_say_whose_signatures_count(
    call: Api, acme: Scenario, role: str
) -> None:
    key = {"name": "mine", "public_key": PUBLIC_KEY}
    assert call("POST", KEYS, key, role=role).status == 403
    trust(call)
    assert call("DELETE", f"{KEYS}/release", role=role).status == 403


def test_keys_are_a_projects_own(call: Api, acme: Scenario) -> None:
    trust(call)
    other = call(
        "POST",
        "/projects/nowhere/signing-keys",
        {"name": "a", "public_key": PUBLIC_KEY},
        role=ADMIN,
    )
    assert other.status == 404
    assert call("GET", f"{KEYS}/release", tenant="globex").status == 404


@pytest.mark.parametrize("key", ["", "AAAA", b64encode(bytes(32)).decode()])
def test_what_is_no_key_is_refused(call: Api, acme: Scenario, key: str) -> None:
    refused = call("POST", KEYS, {"name": "release", "public_key": key}, role=ADMIN)

    assert (refused.status, refused.code) == (422, "invalid_request")


def test_a_signed_upload_becomes_a_signed_version(call: Api, acme: Scenario) -> None:
    made = trust(call)

    assert upload(acme, signed(manifest_of(FILES)))["state"] == "Registered"

    signature = call("GET", VERSION).json["signature"]
    assert (signature["key_id"], signature["fingerprint"]) == ("release", made["fingerprint"])
    assert signature["verified_at"]
    [gate] = clearance(call, signature_required=True)
    assert gate["met"]


def test_a_folder_may_be_signed_as_well(call: Api, acme: Scenario) -> None:
    trust(call)
    for path, content in FILES.items():
        acme.put_object(f"models/acme/vision/digits/uploads/nightly/{path}", content)
    key = "models/acme/vision/digits/uploads/nightly/manifest.json"
    acme.put_object(key, json.dumps(signed(manifest_of(FILES)), indent=2).encode())

    assert acme.register(acme.arrival(key))["state"] == "Registered"
    assert call("GET", VERSION).json["signature"]["key_id"] == "release"


def test_a_signature_of_other_files_is_refused_and_nothing_is_copied(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    trust(call)
    other = signed(manifest_of(FILES | {"model.joblib": b"another"}))
    swapped = manifest_of(FILES) | {"signature": other["signature"]}

    assert upload(acme, swapped)["state"] == "Rejected"

    [found] = call("GET", "/projects/vision/models/digits/uploads").json["items"]
    assert found["reason"]["code"] == "SignatureInvalid"
    assert found["reason"]["remedy"]
    assert cloud.keys("registry/") == []


@pytest.mark.parametrize("trusted", ["nobody", "somebody else", "revoked"])
def test_a_signature_by_a_key_that_is_not_trusted_is_refused(
    call: Api, acme: Scenario, trusted: str
) -> None:
    if trusted == "somebody else":
        trust(call, key=Ed25519PrivateKey.generate())
    if trusted == "revoked":
        trust(call)
        assert call("DELETE", f"{KEYS}/release", role=ADMIN).status == 200

    assert upload(acme, signed(manifest_of(FILES)))["state"] == "Rejected"

    [found] = call("GET", "/projects/vision/models/digits/uploads").json["items"]
    assert found["reason"]["code"] == "SignatureInvalid"


def test_an_unsigned_version_is_held_back_where_signatures_are_asked_for(
    call: Api, acme: Scenario
) -> None:
    acme.upload_version(content=MODEL_BYTES)
    assert call("GET", VERSION).json["signature"] is None
    assert clearance(call) == []

    [gate] = clearance(call, signature_required=True)

    assert (gate["met"], gate["code"]) == (False, "SignatureMissing")


def test_a_version_signed_by_a_key_that_was_revoked_is_cleared_no_more(
    call: Api, acme: Scenario
) -> None:
    """Also where nobody asks for signatures: whoever revokes a key distrusts what it signed."""
    trust(call)
    upload(acme, signed(manifest_of(FILES)))
    assert clearance(call) == []

    assert call("DELETE", f"{KEYS}/release", role=ADMIN).status == 200

    for policy in ({}, {"signature_required": True}):
        [gate] = clearance(call, **policy)
        assert (gate["met"], gate["code"]) == (False, "SignatureRevoked")
        assert "release" in gate["message"]
