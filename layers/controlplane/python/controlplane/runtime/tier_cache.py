"""Remembers the tiers for a few seconds: a question about limits then costs one read."""

import time
from collections.abc import Sequence

from controlplane.runtime import access_cache
from controlplane.tiers.model import Tier
from controlplane.tiers.ports import TierCatalog


class CachedTiers:
    """A TierCatalog in front of another, which it remembers for as long as access is remembered."""

    def __init__(self, catalog: TierCatalog) -> None:
        self._catalog = catalog
        self._read_at = float("-inf")
        self._tiers: Sequence[Tier] = ()

    def all(self) -> Sequence[Tier]:
        present = time.monotonic()
        if present - self._read_at >= access_cache.LIFETIME_SECONDS:
            self._tiers, self._read_at = self._catalog.all(), present
        return self._tiers
