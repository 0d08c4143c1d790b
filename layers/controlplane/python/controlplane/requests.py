"""What surrounds a use case's own arguments: pages, and the promise that a repeat changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Generic, TypeVar

from controlplane.errors import PreconditionFailedError

T = TypeVar("T")

MAX_PAGE_SIZE = 100


@dataclass(frozen=True)
class PageRequest:
    """Ask for at most `limit` items (1 to 100) after the item with the sort key `after`."""

    limit: int = MAX_PAGE_SIZE
    after: str | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items, and the sort key to go on after; None when there are no more."""

    items: Sequence[T]
    next_after: str | None


@dataclass(frozen=True)
class IdempotentRequest:
    """A creating request that its client may repeat.

    `key_digest` covers tenant, principal, operation and the client's key; `body_digest` the request itself.
    """

    key_digest: str
    body_digest: str
    expires_at: datetime


def digest(*parts: str) -> str:
    """SHA-256 over parts that cannot run into each other, 64 hexadecimal digits."""
    joined = sha256()
    for part in parts:
        encoded = part.encode()
        joined.update(len(encoded).to_bytes(8, "big") + encoded)
    return joined.hexdigest()


def require_version(if_match: int | None, version: int, what: str) -> None:
    """Raises PreconditionFailedError unless `what` is at the version that `If-Match` demands; None demands none."""
    if if_match is not None and if_match != version:
        raise PreconditionFailedError(f"{what} has changed: it is at version {version}")
