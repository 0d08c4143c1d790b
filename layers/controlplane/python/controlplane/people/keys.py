"""API keys as text: `hr_<tenant>_<key id>_<secret><checksum>`.

The prefix and the checksum let scanners of source code tell a key from other text, and let a mistyped one be refused
without asking the table. The secret is 256 random bits, so that a plain SHA-256 digest keeps it: there is nothing
to guess from.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from secrets import token_hex
from zlib import crc32

_KEY = re.compile(
    r"hr_(?P<tenant>[a-z](?:-?[a-z0-9]){0,29})_(?P<id>k[0-9a-f]{12})_(?P<secret>[0-9a-f]{64})(?P<sum>[0-9a-f]{8})"
)
_NO_DIGEST = sha256(b"no key has this digest").hexdigest()


@dataclass(frozen=True)
class PresentedKey:
    """What a caller's key says of itself; whether it is true, the stored digest tells."""

    tenant_id: str
    key_id: str
    digest: str

    def proves(self, stored_digest: str | None) -> bool:
        """Compares in constant time, also where no such key is stored."""
        same = compare_digest(self.digest, stored_digest or _NO_DIGEST)
        return same and stored_digest is not None


def new_key_id() -> str:
    return f"k{token_hex(6)}"


def mint(tenant_id: str, key_id: str) -> tuple[str, str]:
    """A new key's text, to be shown once, and the digest that is kept of its secret."""
    secret = token_hex(32)
    text = f"hr_{tenant_id}_{key_id}_{secret}"
    return f"{text}{_checksum(text)}", _digest(secret)


def read_key(text: str) -> PresentedKey | None:
    """None for what can be no key."""
    found = _KEY.fullmatch(text)
    if found is None or found["sum"] != _checksum(text[:-8]):
        return None
    return PresentedKey(found["tenant"], found["id"], _digest(found["secret"]))


def _checksum(text: str) -> str:
    return f"{crc32(text.encode()):08x}"


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
