"""Signing keys through the API, and signed uploads against the table and the bucket."""

import json
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
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


def named_manifest(model: str = "digits") -> Json:
    """That of FILES, saying what it is for."""
    return manifest_of(FILES) | {"project": "vision", "model": model}


def upload(acme: Scenario, manifest: Json, model: str = "digits") -> Json:
    """By the API, whose manifest is sent as it comes."""
    opened = acme.call("POST", f"/projects/vision/models/{model}/uploads", manifest)
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

    assert upload(acme, signed(named_manifest()))["state"] == "Registered"

    signature = call("GET", VERSION).json["signature"]
    assert (signature["key_id"], signature["fingerprint"]) == ("release", made["fingerprint"])
    assert signature["verified_at"]
    assert signature["names_model"] is True
    [gate] = clearance(call, signature_required=True)
    assert gate["met"]


def test_what_was_signed_for_one_model_is_not_taken_for_another(call: Api, acme: Scenario) -> None:
    trust(call)
    told = signed(named_manifest())
    assert upload(acme, told)["state"] == "Registered"

    refused = acme.call("POST", "/projects/vision/models/fraud/uploads", told)
    for path, content in FILES.items():
        acme.put_object(f"models/acme/vision/fraud/uploads/replay/{path}", content)
    key = "models/acme/vision/fraud/uploads/replay/manifest.json"
    acme.put_object(key, json.dumps(told).encode())

    assert (refused.status, refused.code) == (422, "invalid_request")
    assert acme.register(acme.arrival(key))["state"] == "Rejected"
    [found] = call("GET", "/projects/vision/models/fraud/uploads").json["items"]
    assert found["reason"]["code"] == "OtherModel"


def test_a_signature_that_could_be_another_models_does_not_count(call: Api, acme: Scenario) -> None:
    trust(call)
    told = signed(manifest_of(FILES))
    for model in ("digits", "fraud"):
        assert upload(acme, told, model)["state"] == "Registered"

    [gate] = clearance(call, gates=[{"gate": "signature_present"}])

    assert (gate["met"], gate["code"]) == (False, "SignatureUnbound")
    assert gate["remedy"]


def test_a_signature_by_another_algorithm_stands_beside_ours(call: Api, acme: Scenario) -> None:
    """A co-signature by ECDSA, as securesystemslib adds one."""
    trust(call)
    told = signed(named_manifest())
    foreign = generate_private_key(SECP256R1()).sign(b"anything", ECDSA(SHA256()))
    [ours] = told["signature"]["signatures"]
    told["signature"]["signatures"] = [{"keyid": "ec", "sig": b64encode(foreign).decode()}, ours]

    assert upload(acme, told)["state"] == "Registered"
    assert call("GET", VERSION).json["signature"]["key_id"] == "release"


def test_a_key_is_not_trusted_by_two_names(call: Api, acme: Scenario) -> None:
    trust(call, "release")
    headers = {"Idempotency-Key": "once"}
    key = {"name": "other", "public_key": PUBLIC_KEY}
    first = call("POST", KEYS, key, role=ADMIN, headers=headers)
    assert (first.status, call("POST", KEYS, key, role=ADMIN, headers=headers).json) == (
        201,
        first.json,
    )
    assert call("DELETE", f"{KEYS}/other", role=ADMIN).status == 200

    for name, active in (("again", PUBLIC_KEY), ("twice", raw(SIGNER))):
        refused = call("POST", KEYS, {"name": name, "public_key": active}, role=ADMIN)

        assert (refused.status, refused.code) == (409, "already_exists")
        assert ("other" if name == "again" else "release") in refused.json["detail"]
        assert refused.json["remedy"]


def raw(key: Ed25519PrivateKey) -> str:
    return b64encode(key.public_key().public_bytes_raw()).decode()


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
