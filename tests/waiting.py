"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.05


def eventually(look: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """The first truthy answer of `look`; AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}; last: {found}"
        time.sleep(POLL_SECONDS)
