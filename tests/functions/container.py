"""A Lambda container as the tests see it: what it remembers, and what it logs."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from controlplane.runtime.wiring.aws import session

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
    for name, module in list(sys.modules.items()):
        if name.startswith("controlplane.runtime."):
            for made in vars(module).values():
                if hasattr(made, "cache_clear") and made is not session:
                    made.cache_clear()
