"""Secrets of webhooks, and how messages are signed with them, by the Standard Webhooks specification 1.0.

A secret is 32 bytes, written `whsec_` and base64. It is derived when it is needed, from a key that lies in Secrets
Manager, and kept nowhere: HKDF (RFC 5869) over tenant, webhook and generation. A message is signed with HMAC-SHA256
over `id.timestamp.body`; while a secret's grace time runs, the header `webhook-signature` holds a signature by each.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from controlplane.webhooks.model import SecretVersion

PREFIX = "whsec_"
_PURPOSE = b"headrace webhook secret v1"


@dataclass(frozen=True, repr=False)
class SigningKeys:
    """The keys that secrets are derived from, by their number; new secrets come from the highest one."""

    by_number: Mapping[int, bytes]

    @classmethod
    def parse(cls, secret: str) -> "SigningKeys":
        """From `{"1": "<text>", …}`. Raises ValueError."""
        keys = {int(number): str(text).encode() for number, text in json.loads(secret).items()}
        if not keys or not all(keys.values()):
            raise ValueError("the secret of webhooks holds no key")
        return cls(keys)

    @property
    def newest(self) -> int:
        return max(self.by_number)

    def secret(self, tenant_id: str, webhook_id: str, version: SecretVersion) -> bytes:
        """The 32 bytes of a webhook's secret. Raises KeyError for a key that is no longer there."""
        extracted = hmac.new(_PURPOSE, self.by_number[version.key], sha256).digest()
        parts = [tenant_id.encode(), webhook_id.encode(), str(version.generation).encode()]
        info = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.new(extracted, info + b"\x01", sha256).digest()


def secret_text(secret: bytes) -> str:
    """As its owner is shown it once."""
    return PREFIX + b64encode(secret).decode()


def sign(message_id: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers of a message; `timestamp` in seconds since the epoch, of this very attempt."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = [b64encode(hmac.new(secret, signed, sha256).digest()).decode() for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{each}" for each in made),
    }
