"""How a webhook's target does, and when the next attempt on it may be made.

An attempt costs a function up to ten seconds. So a webhook has a rate, and one whose target fails is left alone for a
growing time, after which one attempt alone tries it: a dead target costs one attempt a pause, whatever waits for it.
"""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

ATTEMPTS_A_MINUTE = 60
# After so many failures in a row the target is left alone.
TOLERATED = 3
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(minutes=10)
# Longer than an attempt takes at most: whoever tries a failing target does so alone for this long.
PROBE_TIME = timedelta(seconds=30)
# Without one success, and with this many failures at least.
DISABLED_AFTER = timedelta(days=3)
DISABLED_FROM = 10

Count = Annotated[int, Field(ge=0)]


class TargetHealth(BaseModel):
    """Of one webhook, beside it: `minute` counts from the epoch, `attempts` are those that began in it."""

    model_config = ConfigDict(frozen=True)

    webhook_id: str
    minute: int = 0
    attempts: Count = 0
    failures: Count = 0
    failing_since: datetime | None = None
    paused_until: datetime | None = None
    version: int = 0

    def busy_until(self, moment: datetime, *, even_paused: bool = False) -> datetime | None:
        """When to ask again; None when an attempt may begin now. A test does not wait for a pause to end."""
        if self.paused_until is not None and moment < self.paused_until and not even_paused:
            return self.paused_until
        if self.minute == _minute(moment) and self.attempts >= ATTEMPTS_A_MINUTE:
            return datetime.fromtimestamp((self.minute + 1) * 60, moment.tzinfo)
        return None

    def began(self, moment: datetime) -> "TargetHealth":
        """With one attempt more; the only one for a while if the target is failing."""
        minute = _minute(moment)
        counted = self.attempts + 1 if self.minute == minute else 1
        probed = moment + PROBE_TIME if self.failures >= TOLERATED else self.paused_until
        return self._with(minute=minute, attempts=counted, paused_until=probed)

    def anew(self, webhook_id: str) -> "TargetHealth":
        """Nothing is held against the target. Attempts of this minute count on, and the version is the stored one's."""
        forgotten = {"failures": 0, "failing_since": None, "paused_until": None}
        return self.model_copy(update={"webhook_id": webhook_id, **forgotten})

    def succeeded(self) -> "TargetHealth":
        return self._with(failures=0, failing_since=None, paused_until=None)

    def failed(self, moment: datetime) -> "TargetHealth":
        failures = self.failures + 1
        pause = None
        if failures >= TOLERATED:
            pause = moment + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - TOLERATED, 10))
        since = self.failing_since or moment
        return self._with(failures=failures, failing_since=since, paused_until=pause)

    def is_hopeless(self, moment: datetime) -> bool:
        if self.failing_since is None or self.failures < DISABLED_FROM:
            return False
        return moment - self.failing_since >= DISABLED_AFTER

    def _with(self, **changes: object) -> "TargetHealth":
        return self.model_copy(update=changes | {"version": self.version + 1})


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
