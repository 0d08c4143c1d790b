"""A Lambda container as the tests see it: what it remembers, and what it logs."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from controlplane.runtime import settings, wiring

SetClock = Callable[[timedelta], None]


@dataclass(frozen=True)
class Log:
    """What the functions logged, as text and line by line."""

    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def forget_wiring() -> None:
    """As a new Lambda container: nothing is cached.

    Only botocore's session stays, which holds the description of the services and the test's one identity.
    """
    for module in (wiring, settings):
        for name, made in vars(module).items():
            if hasattr(made, "cache_clear") and name != "_session":
                made.cache_clear()
