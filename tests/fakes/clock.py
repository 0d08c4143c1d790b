"""A clock that moves only when a test says so."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from controlplane import identifiers

START = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> datetime:
        self.moment += timedelta(seconds=seconds)
        return self.moment


@contextmanager
def clock_stopped() -> Iterator[Clock]:
    """Every loaded module of the layer and the tests that took `now` from `identifiers` reads this clock instead."""
    clock, running = Clock(), identifiers.now
    with pytest.MonkeyPatch.context() as patched:
        for name, module in list(sys.modules.items()):
            ours = name.partition(".")[0] in ("controlplane", "tests")
            if ours and vars(module).get("now") is running:
                patched.setattr(module, "now", clock.now)
        yield clock
