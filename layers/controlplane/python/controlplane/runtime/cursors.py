"""Opaque, signed cursors that are good for one tenant and one list."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hashlib import sha256

from controlplane.errors import InvalidRequestError

_SIGNATURE_BYTES = 16


def seal_cursor(key: bytes, tenant_id: str, listing: str, after: str) -> str:
    """A cursor for going on after a sort key; `listing` names the list, such as its path."""
    signature = _sign(key, tenant_id, listing, after)
    return urlsafe_b64encode(signature + after.encode()).decode().rstrip("=")


def open_cursor(key: bytes, tenant_id: str, listing: str, cursor: str) -> str:
    """The sort key in a cursor. Raises InvalidRequestError for any that was not made for this tenant and list."""
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        signature, after = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:].decode()
    except (Base64Error, ValueError) as unreadable:
        raise _invalid_cursor() from unreadable
    if not hmac.compare_digest(signature, _sign(key, tenant_id, listing, after)):
        raise _invalid_cursor()
    return after


def _sign(key: bytes, *parts: str) -> bytes:
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(key, message, sha256).digest()[:_SIGNATURE_BYTES]


def _invalid_cursor() -> InvalidRequestError:
    return InvalidRequestError(
        "the cursor is not one of this list", remedy="Start the list again without a cursor."
    )
