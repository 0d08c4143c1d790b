"""Refusals are counted, and told now and then: an attacker must not write at will."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from controlplane.auditing.model import AccessDenied

INTERVAL = timedelta(minutes=1)
MAX_KEYS = 200
MAX_WRITES = 20  # an interval
OTHER = "other"


class DenialKey(NamedTuple):
    tenant_id: str
    actor: str
    action: str


@dataclass
class Tally:
    """Refusals that are not told yet."""

    resource: str
    first_at: datetime
    last_at: datetime
    count: int = 0
    told_at: datetime | None = None

    def add(self, resource: str, moment: datetime) -> None:
        if not self.count:
            self.first_at = moment
        self.count, self.resource, self.last_at = self.count + 1, resource, moment

    def is_due(self, moment: datetime) -> bool:
        return self.count > 0 and (self.told_at is None or moment - self.told_at >= INTERVAL)

    def is_idle(self, moment: datetime) -> bool:
        return not self.count and self.told_at is not None and moment - self.told_at >= INTERVAL


class DenialCounter:
    """Counts refusals by tenant, actor and action, for one container.

    A key is told at once and then at most once a minute, all keys together at most 20 times a minute; what is not told
    yet is told with a later refusal. Beyond 200 keys the rest of a tenant's count together as `other`.
    """

    def __init__(self) -> None:
        self._tallies: OrderedDict[DenialKey, Tally] = OrderedDict()
        self._window_began: datetime | None = None
        self._writes = 0

    def note(self, key: DenialKey, resource: str, moment: datetime) -> AccessDenied | None:
        """Count a refusal; what is to be told now, of the same tenant: what waits for longest."""
        kept = self._key(key, moment)
        tally = self._tallies.setdefault(kept, Tally(resource, moment, moment))
        tally.add(resource, moment)
        due = (k for k, t in self._tallies.items() if k.tenant_id == key.tenant_id)
        longest = next((k for k in due if self._tallies[k].is_due(moment)), None)
        if longest is None or not self._may_write(moment):
            return None
        return self._take(longest, moment)

    def _key(self, key: DenialKey, moment: datetime) -> DenialKey:
        if key in self._tallies:
            return key
        if len(self._tallies) >= MAX_KEYS:
            for idle in [k for k, t in self._tallies.items() if t.is_idle(moment)]:
                del self._tallies[idle]
        if len(self._tallies) < MAX_KEYS:
            return key
        return DenialKey(key.tenant_id, OTHER, OTHER)

    def _may_write(self, moment: datetime) -> bool:
        if self._window_began is None or moment - self._window_began >= INTERVAL:
            self._window_began, self._writes = moment, 0
        if self._writes >= MAX_WRITES:
            return False
        self._writes += 1
        return True

    def _take(self, key: DenialKey, moment: datetime) -> AccessDenied:
        tally = self._tallies[key]
        denied = AccessDenied(
            tenant_id=key.tenant_id,
            actor=key.actor,
            action=key.action,
            resource=tally.resource,
            count=tally.count,
            first_at=tally.first_at,
            last_at=tally.last_at,
        )
        tally.count, tally.told_at = 0, moment
        self._tallies.move_to_end(key)  # those that were told last come last
        return denied
