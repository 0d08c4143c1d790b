"""Signed manifests: DSSE envelopes, and what is kept of a signature that was verified.

Source: Dead Simple Signing Envelope 1.0, github.com/secure-systems-lab/dsse (envelope.md, protocol.md).
"""

from base64 import b64decode
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from controlplane.identifiers import Name

PAYLOAD_TYPE = "application/vnd.headrace.manifest.v1+json"
MAX_SIGNATURES = 10
# As long as the longest manifest.
MAX_PAYLOAD = 256 * 1024
# Room for those of other algorithms, which may stand beside ours: one by RSA with 4096 bits has 684 characters.
MAX_SIGNATURE = 1000
_STANDARD = str.maketrans("-_", "+/")


def decode_base64(text: str) -> bytes:
    """Standard or URL-safe base64, either of which DSSE lets a signer write. Raises ValueError."""
    if set(text) & {"-", "_"}:
        if set(text) & {"+", "/"}:
            raise ValueError("it mixes two alphabets of base64")
        text = text.translate(_STANDARD)
    return b64decode(text, validate=True)


def _base64(text: str) -> str:
    decode_base64(text)
    return text


class EnvelopeSignature(BaseModel):
    """One signature by whatever algorithm, base64. `keyid` is a hint that nothing relies on: the signing key's name."""

    model_config = ConfigDict(frozen=True)

    keyid: str | None = Field(default=None, max_length=200, examples=["release"])
    sig: Annotated[str, StringConstraints(max_length=MAX_SIGNATURE), AfterValidator(_base64)]


class Envelope(BaseModel):
    """A DSSE envelope around a manifest without its own `signature`, base64 of its UTF-8 JSON."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    payload: Annotated[str, StringConstraints(max_length=MAX_PAYLOAD), AfterValidator(_base64)]
    payload_type: str = Field(alias="payloadType", max_length=200, examples=[PAYLOAD_TYPE])
    signatures: tuple[EnvelopeSignature, ...] = Field(min_length=1, max_length=MAX_SIGNATURES)

    @property
    def content(self) -> bytes:
        return decode_base64(self.payload)

    @property
    def signed_bytes(self) -> bytes:
        """What the signatures are of."""
        return pre_authentication_encoding(self.payload_type, self.content)


class SignatureRecord(BaseModel):
    """By which of the project's keys a version's manifest is signed, and when that was verified.

    `names_model` tells whether the manifest says of which project and model it is; else it could be another's.
    """

    model_config = ConfigDict(frozen=True)

    key_id: Name
    fingerprint: str
    verified_at: datetime
    names_model: bool = False


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """DSSE's PAE: type and payload, each behind its length, so that neither can run into the other."""
    encoded = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(payload), payload)
