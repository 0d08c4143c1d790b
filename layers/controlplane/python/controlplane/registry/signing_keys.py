"""The public keys whose signatures a project trusts."""

from base64 import b64decode, b64encode
from binascii import Error as MalformedBase64
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from controlplane.errors import AlreadyExistsError
from controlplane.identifiers import Name

KEY_BYTES = 32
# SubjectPublicKeyInfo of every Ed25519 key up to the key itself (RFC 8410, section 4).
_SPKI = bytes.fromhex("302a300506032b6570032100")
_PEM = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----")
# Ed25519's field, and the y of the eight points of small order: such a key verifies what nobody signed.
_FIELD = 2**255 - 19
_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_WEAK = frozenset({0, 1, _FIELD - 1, _OF_ORDER_8, _FIELD - _OF_ORDER_8})


def read_public_key(text: str) -> bytes:
    """The 32 bytes of an Ed25519 key, PEM or base64 of the bytes alone. Raises ValueError."""
    text = text.strip()
    if text.startswith("-----"):
        lines = text.splitlines()
        if (lines[0], lines[-1]) != _PEM:
            raise ValueError("it is no PEM file with a PUBLIC KEY")
        der = _decoded("".join(lines[1:-1]))
        if not der.startswith(_SPKI):
            raise ValueError("it is no Ed25519 key")
        raw = der.removeprefix(_SPKI)
    else:
        raw = _decoded(text)
    if len(raw) != KEY_BYTES:
        raise ValueError(f"an Ed25519 key has {KEY_BYTES} bytes, this has {len(raw)}")
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    if y >= _FIELD or y in _WEAK:
        raise ValueError("it is a weak key, by which anything would be signed")
    return raw


def _decoded(text: str) -> bytes:
    try:
        return b64decode("".join(text.split()), validate=True)
    except MalformedBase64 as malformed:
        raise ValueError("it is neither PEM nor base64") from malformed


def _canonical(text: str) -> str:
    return b64encode(read_public_key(text)).decode()


PublicKey = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_canonical)]


class SigningKeyStatus(StrEnum):
    ACTIVE = "Active"
    REVOKED = "Revoked"


class SigningKeyRequest(BaseModel):
    """What a caller sends to have signatures by a key trusted."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(
        description="Unique in the project, and never given to another key", examples=["release"]
    )
    public_key: PublicKey = Field(description="Ed25519: PEM, or base64 of the 32 bytes")
    description: str = Field(default="", max_length=500)


class SigningKey(BaseModel):
    """A key of a project, base64 of its 32 bytes. A revoked one stays, so that its name says who signed."""

    model_config = ConfigDict(frozen=True)

    name: Name
    public_key: str
    fingerprint: str
    description: str = ""
    status: SigningKeyStatus = SigningKeyStatus.ACTIVE
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    version: int = 1


def known_already(known: SigningKey) -> AlreadyExistsError:
    """Why a key is not trusted by a further name."""
    return AlreadyExistsError(
        f"this very key is signing key {known.name} of the project already, and is {known.status}",
        remedy="Make another key pair, and add its public half.",
    )
