"""Digests of items: the same content gives the same digest, whatever wrote it."""

import json
from base64 import b64encode
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any


def digest_of(image: Mapping[str, Any] | None) -> str | None:
    """SHA-256 of an item's canonical JSON without its event, 64 hexadecimal digits; None for no item."""
    if image is None:
        return None
    content = {name: value for name, value in image.items() if name != "event"}
    return sha256(canonical_json(content)).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Keys sorted, no spaces, ASCII; sets as sorted lists, bytes in base64, numbers as they are."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain
    ).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value.normalize())
    if isinstance(value, set | frozenset):
        return {"set": sorted(value, key=canonical_json)}
    if isinstance(value, bytes | bytearray):
        return {"bytes": b64encode(value).decode()}
    raise TypeError(f"an item cannot hold a {type(value).__name__}")
