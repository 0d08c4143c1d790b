"""Public keys as people send them."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from controlplane.errors import (
    AlreadyExistsError,
    ConcurrentChangeError,
    NotFoundError,
    PreconditionFailedError,
)
from controlplane.registry.signing import add_signing_key, revoke_signing_key
from controlplane.registry.signing_keys import (
    SigningKey,
    SigningKeyRequest,
    SigningKeyStatus,
    read_public_key,
)
from tests.unit.registry.world import PROJECT, TENANT, World

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
RAW = KEY.public_bytes_raw()
PEM = KEY.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
# The y of the points of small order (RFC 7748's curve in Edwards form), as they are encoded, and beyond the field.
WEAK = [
    *("00" * 32, "01" + "00" * 31, "01" + "00" * 30 + "80"),
    "ec" + "ff" * 30 + "7f",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    *("ed" + "ff" * 30 + "7f", "ff" * 32),
]


def test_pem_and_raw_base64_are_the_same_key() -> None:
    assert read_public_key(PEM) == read_public_key(b64encode(RAW).decode()) == RAW
    assert SigningKeyRequest(name="a", public_key=PEM).public_key == b64encode(RAW).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "***",
        b64encode(RAW[:31]).decode(),
        PEM.replace("PUBLIC", "PRIVATE"),
        PEM.replace("MCow", "MCox"),
        generate_private_key(SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_is_no_ed25519_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is|an Ed25519 key has"):
        read_public_key(text)


@pytest.mark.parametrize("encoded", WEAK)
def test_a_key_by_which_anything_is_signed_is_refused(encoded: str) -> None:
    with pytest.raises(ValueError, match="weak"):
        read_public_key(b64encode(bytes.fromhex(encoded)).decode())


def add(world: World, name: str = "release", project: str = PROJECT) -> SigningKey:
    return add_signing_key(
        TENANT,
        project,
        SigningKeyRequest(name=name, public_key=PEM),
        "ada",
        None,
        keys=world.signing_keys,
    )


def test_a_key_needs_its_project_and_keeps_its_name_when_it_is_revoked() -> None:
    world = World()
    with pytest.raises(NotFoundError):
        add(world, project="nowhere")
    add(world)

    revoked = revoke_signing_key(TENANT, PROJECT, "release", "bob", 1, keys=world.signing_keys)

    assert (revoked.status, revoked.revoked_by) == (SigningKeyStatus.REVOKED, "bob")
    with pytest.raises(AlreadyExistsError):
        add(world)
    [added, ended] = world.table.events
    assert (added.subject, ended.subject) == ("projects/vision/signing-keys/release",) * 2


@pytest.mark.parametrize("revoked", [False, True])
def test_a_key_that_the_project_has_is_not_trusted_by_another_name(revoked: bool) -> None:
    """Else revoking it under one name would leave what it signs trusted under the other."""
    world = World()
    add(world)
    if revoked:
        revoke_signing_key(TENANT, PROJECT, "release", "bob", None, keys=world.signing_keys)

    with pytest.raises(AlreadyExistsError, match="signing key release") as refused:
        add(world, name="other")

    assert refused.value.remedy
    assert {at[2] for at in world.table.signing_keys} == {"release"}


def test_revoking_twice_is_harmless_and_a_stale_request_is_refused() -> None:
    world = World()
    add(world)
    with pytest.raises(PreconditionFailedError):
        revoke_signing_key(TENANT, PROJECT, "release", "bob", 7, keys=world.signing_keys)
    first = revoke_signing_key(TENANT, PROJECT, "release", "bob", None, keys=world.signing_keys)

    again = revoke_signing_key(TENANT, PROJECT, "release", "eve", None, keys=world.signing_keys)

    assert again == first
    assert len(world.table.events) == 2


def test_a_key_that_changes_meanwhile_is_not_overwritten() -> None:
    world = World()
    add(world)

    def meanwhile() -> None:
        revoke_signing_key(TENANT, PROJECT, "release", "eve", None, keys=world.signing_keys)

    world.table.interrupt = meanwhile
    with pytest.raises(ConcurrentChangeError):
        revoke_signing_key(TENANT, PROJECT, "release", "bob", None, keys=world.signing_keys)
