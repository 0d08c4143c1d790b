"""A predictor's pod as the rest of the cluster sees it: one server process and its past."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Termination:
    """How a server process ended."""

    exit_code: int
    message: str
    at: datetime


@dataclass(frozen=True)
class Pod:
    """A snapshot.

    `running` is false between a server's end and its next start (CrashLoopBackOff), `retiring` is
    true once another pod has taken over, `exhausted` once no restart is left.
    """

    name: str
    template: str
    port: int | None
    created_at: datetime
    running: bool
    ready: bool
    was_ready: bool
    retiring: bool
    exhausted: bool
    restarts: int
    last_termination: Termination | None

    @property
    def crash_looping(self) -> bool:
        return not self.running and self.last_termination is not None
