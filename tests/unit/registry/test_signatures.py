"""Signed manifests: DSSE's own vector, and that nothing but the signed manifest passes."""

import json
import re
import subprocess
import sys
from base64 import b64decode, b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from controlplane.adapters.ed25519_signatures import Ed25519Signatures
from controlplane.errors import UploadRejectedError
from controlplane.registry.manifest import Manifest
from controlplane.registry.signatures import (
    PAYLOAD_TYPE,
    Envelope,
    SignatureRecord,
    pre_authentication_encoding,
)
from controlplane.registry.signing import (
    add_signing_key,
    revoke_signing_key,
    verify_signature,
)
from controlplane.registry.signing_keys import SigningKeyRequest
from tests.fakes import MemorySigningKeys
from tests.unit.registry.world import PROJECT, TENANT, World, entry, manifest

RUNBOOK = Path(__file__).parents[3] / "docs/runbooks/signing.md"
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
UNSIGNED: dict[str, Any] = json.loads(manifest(entry("model.onnx", b"x"), framework_version="1"))


def public(key: Ed25519PrivateKey) -> str:
    return b64encode(key.public_key().public_bytes_raw()).decode()


def envelope(
    payload: bytes,
    key: Ed25519PrivateKey = SIGNER,
    payload_type: str = PAYLOAD_TYPE,
    keyid: str | None = "release",
) -> dict[str, Any]:
    """As docs/runbooks/signing.md has a signer write it."""
    signed = pre_authentication_encoding(payload_type, payload)
    signature = {"keyid": keyid, "sig": b64encode(key.sign(signed)).decode()}
    return {
        "payload": b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [signature],
    }


def canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def signed_by(*keys: Ed25519PrivateKey) -> tuple[World, MemorySigningKeys]:
    """A project that trusts these keys."""
    world = World()
    for number, key in enumerate(keys):
        add_signing_key(
            TENANT,
            PROJECT,
            SigningKeyRequest(name=f"key{number}", public_key=public(key)),
            "ada",
            None,
            keys=world.signing_keys,
        )
    return world, world.signing_keys


def verify(
    told: dict[str, Any], signature: dict[str, Any] | None, *keys: Ed25519PrivateKey
) -> SignatureRecord | None:
    _, trusted = signed_by(*(keys or (SIGNER,)))
    sent = Manifest.model_validate(told | {"signature": signature})
    return verify_signature(TENANT, PROJECT, sent, keys=trusted, verifier=Ed25519Signatures())


def test_pre_authentication_encoding_is_dsses() -> None:
    """The example of DSSE's protocol.md, "Test vector": payload and type are its own."""
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")

    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("é", b"") == b"DSSEv1 2 \xc3\xa9 0 "


def test_a_manifest_signed_by_a_key_of_the_project_is_its() -> None:
    record = verify(UNSIGNED, envelope(canonical(UNSIGNED)), OTHER, SIGNER)

    assert record is not None
    assert record.key_id == "key1"
    assert len(record.fingerprint) == 64


@pytest.mark.parametrize("keyid", [None, "release", "key0", "no such key"])
def test_the_hint_decides_nothing(keyid: str | None) -> None:
    assert verify(UNSIGNED, envelope(canonical(UNSIGNED), keyid=keyid)) is not None
    with pytest.raises(UploadRejectedError, match="no active signing key"):
        verify(UNSIGNED, envelope(canonical(UNSIGNED), OTHER, keyid=keyid))


def test_one_good_signature_is_enough_and_url_safe_base64_is_base64() -> None:
    made = envelope(canonical(UNSIGNED))
    bad = envelope(b"something else")["signatures"]
    made["signatures"] = [*bad, *made["signatures"]]
    made["payload"] = urlsafe_b64encode(b64decode(made["payload"])).decode()

    assert verify(UNSIGNED, made) is not None


@pytest.mark.parametrize("length", [0, 63, 65, 71, 512])
def test_signatures_of_other_algorithms_are_skipped(length: int) -> None:
    """As an envelope bears that was signed by a key of ours and, say, one of ECDSA."""
    made = envelope(canonical(UNSIGNED))
    foreign = {"keyid": "ecdsa", "sig": b64encode(bytes(length)).decode()}

    assert verify(UNSIGNED, made | {"signatures": [foreign, *made["signatures"]]}) is not None
    with pytest.raises(UploadRejectedError, match="no active signing key"):
        verify(UNSIGNED, made | {"signatures": [foreign]})


@pytest.mark.parametrize(
    ("named", "bound"),
    [
        ({}, False),
        ({"project": PROJECT}, False),
        ({"model": "digits"}, False),
        ({"project": PROJECT, "model": "digits"}, True),
    ],
)
def test_a_signature_is_bound_by_project_and_model(named: dict[str, str], bound: bool) -> None:
    told = UNSIGNED | named

    record = verify(told, envelope(canonical(told)))

    assert record is not None
    assert record.names_model is bound


def test_what_was_signed_names_project_and_model_not_the_manifest_around_it() -> None:
    sent = UNSIGNED | {"project": PROJECT, "model": "digits"}

    with pytest.raises(UploadRejectedError, match="another manifest"):
        verify(sent, envelope(canonical(UNSIGNED)))


def test_the_meaning_is_signed_and_not_the_spelling() -> None:
    spelt = json.dumps(UNSIGNED | {"metadata": None}, indent=2).encode()

    assert verify(UNSIGNED, envelope(spelt)) is not None


def test_an_unsigned_manifest_is_unsigned() -> None:
    assert verify(UNSIGNED, None) is None


OTHERS = {
    "other files": UNSIGNED | {"files": [entry("model.onnx", b"y")]},
    "another format": UNSIGNED | {"format": "onnx"},
    "one file more": UNSIGNED | {"files": [*UNSIGNED["files"], entry("more.bin", b"y")]},
    "metadata of another's": UNSIGNED | {"metadata": {"metrics": {"accuracy": 1.0}}},
    "no framework version": {k: v for k, v in UNSIGNED.items() if k != "framework_version"},
}


@pytest.mark.parametrize("sent", OTHERS.values(), ids=OTHERS)
def test_a_signature_of_another_manifest_is_refused(sent: dict[str, Any]) -> None:
    with pytest.raises(UploadRejectedError, match="another manifest"):
        verify(sent, envelope(canonical(UNSIGNED)))


@pytest.mark.parametrize("payload", [b"{}", b"\xff", b"[]", b"null"])
def test_a_payload_that_is_no_manifest_is_refused(payload: bytes) -> None:
    with pytest.raises(UploadRejectedError, match="no manifest") as refused:
        verify(UNSIGNED, envelope(payload))
    assert refused.value.reason == "SignatureInvalid"
    assert refused.value.remedy


def test_a_signature_in_the_payload_is_refused() -> None:
    inner = UNSIGNED | {"signature": envelope(canonical(UNSIGNED))}

    with pytest.raises(UploadRejectedError, match="holds a signature itself"):
        verify(UNSIGNED, envelope(canonical(inner)))


def test_another_type_is_refused_though_it_is_signed() -> None:
    """The type is signed, so that a signature for one purpose cannot serve another."""
    with pytest.raises(UploadRejectedError, match="payloadType"):
        verify(UNSIGNED, envelope(canonical(UNSIGNED), payload_type="application/json"))
    swapped = envelope(canonical(UNSIGNED), payload_type="application/json")
    with pytest.raises(UploadRejectedError, match="no active signing key"):
        verify(UNSIGNED, swapped | {"payloadType": PAYLOAD_TYPE})


def test_a_revoked_key_signs_nothing_any_more() -> None:
    world, keys = signed_by(SIGNER, OTHER)
    revoke_signing_key(TENANT, PROJECT, "key0", "ada", None, keys=keys)
    sent = Manifest.model_validate(UNSIGNED | {"signature": envelope(canonical(UNSIGNED))})

    with pytest.raises(UploadRejectedError, match="no active signing key"):
        verify_signature(TENANT, PROJECT, sent, keys=keys, verifier=Ed25519Signatures())
    assert [type(event).__name__ for event in world.table.events][-1] == "SigningKeyRevoked"


@given(position=st.integers(min_value=0), bit=st.integers(0, 7), part=st.sampled_from("psk"))
def test_no_byte_of_payload_signature_or_key_may_change(position: int, bit: int, part: str) -> None:
    content, key = canonical(UNSIGNED), SIGNER.public_key().public_bytes_raw()
    signature = SIGNER.sign(pre_authentication_encoding(PAYLOAD_TYPE, content))
    parts = {"p": content, "s": signature, "k": key}
    assert _accepts(parts)
    changed = bytearray(parts[part])
    changed[position % len(changed)] ^= 1 << bit

    assert not _accepts(parts | {part: bytes(changed)})


@given(st.text(max_size=80).filter(lambda text: text != PAYLOAD_TYPE))
def test_no_other_type_has_the_signature(payload_type: str) -> None:
    content = canonical(UNSIGNED)
    signature = SIGNER.sign(pre_authentication_encoding(PAYLOAD_TYPE, content))
    signed = pre_authentication_encoding(payload_type, content)

    assert not Ed25519Signatures().verifies(b64decode(public(SIGNER)), signature, signed)


@given(
    st.tuples(st.text(max_size=20), st.binary(max_size=40)),
    st.tuples(st.text(max_size=20), st.binary(max_size=40)),
)
def test_no_two_envelopes_have_the_same_signed_bytes(
    one: tuple[str, bytes], other: tuple[str, bytes]
) -> None:
    same = pre_authentication_encoding(*one) == pre_authentication_encoding(*other)

    assert same == (one == other)


def _accepts(parts: dict[str, bytes]) -> bool:
    signed = pre_authentication_encoding(PAYLOAD_TYPE, parts["p"])
    return Ed25519Signatures().verifies(parts["k"], parts["s"], signed)


def test_the_runbooks_signer_signs(tmp_path: Path) -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", RUNBOOK.read_text(), re.DOTALL)
    pem = SIGNER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "release.pem").write_bytes(pem)
    told = UNSIGNED | {"metadata": {"tags": {"team": "Bildverständnis"}, "metrics": {"loss": 1e-7}}}
    (tmp_path / "manifest.json").write_text(json.dumps(told, indent=2))

    command = [sys.executable, "-c", snippet, "manifest.json", PROJECT, "digits"]
    signed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)

    sent = json.loads(signed.stdout)
    told |= {"project": PROJECT, "model": "digits"}
    assert b64decode(sent["signature"]["payload"]) == canonical(told)
    record = verify(told, sent["signature"])
    assert record is not None
    assert record.names_model


MALFORMED = [
    {"signatures": []},
    {"payload": "***"},
    {"payload": "a-b+"},
    {"payload": "YW_*J"},
    {"signatures": [{"sig": "***"}]},
    {"signatures": [{"sig": b64encode(bytes(751)).decode()}]},
]


@pytest.mark.parametrize("change", MALFORMED)
def test_an_envelope_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Envelope.model_validate(envelope(b"{}") | change)


def test_a_version_keeps_who_signed_it() -> None:
    world, _ = signed_by(SIGNER)
    world.verifier = Ed25519Signatures()  # type: ignore[assignment]
    world.put("uploads/june/model.onnx", b"x")
    signed = UNSIGNED | {"signature": envelope(canonical(UNSIGNED))}
    world.run(world.put("uploads/june/manifest.json", json.dumps(signed).encode()))

    [version] = world.versions()
    assert version.signature is not None
    assert version.signature.key_id == "key0"


def test_a_bad_signature_rejects_the_upload_before_anything_is_copied() -> None:
    world, _ = signed_by(OTHER)
    world.verifier = Ed25519Signatures()  # type: ignore[assignment]
    world.put("uploads/june/model.onnx", b"x")
    signed = UNSIGNED | {"signature": envelope(canonical(UNSIGNED))}
    world.run(world.put("uploads/june/manifest.json", json.dumps(signed).encode()))

    reason = world.only_upload().reason
    assert reason is not None
    assert reason.code == "SignatureInvalid"
    assert world.artifacts.keys_below("registry/") == []
    assert world.versions() == []
