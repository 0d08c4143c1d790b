"""Remembers for a few seconds who may call, so that a warm request does not pay for the question."""

import time
from collections import OrderedDict

from controlplane.tenancy.model import Access
from controlplane.tenancy.ports import AccessRepository

# A revocation is effective within this time.
LIFETIME_SECONDS = 5.0
MAX_ENTRIES = 1000


class CachedAccess:
    """An AccessRepository in front of another. What is not there is not remembered."""

    def __init__(self, repository: AccessRepository) -> None:
        self._repository = repository
        self._entries: OrderedDict[tuple[str, str], tuple[float, Access]] = OrderedDict()

    def get_access(self, tenant_id: str, subject: str) -> Access | None:
        key, present = (tenant_id, subject), time.monotonic()
        entry = self._entries.get(key)
        if entry is not None and present - entry[0] < LIFETIME_SECONDS:
            return entry[1]
        access = self._repository.get_access(tenant_id, subject)
        if access is None:
            self._entries.pop(key, None)
            return None
        self._entries[key] = (present, access)
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return access
