"""Remembers for a few seconds who may call, so that a warm request does not pay for the question."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from controlplane.tenancy.model import Access, PrincipalRecord
from controlplane.tenancy.ports import AccessRepository

# A revocation is effective within 5 s: the rest of them is for the read itself and for requests that are under way.
LIFETIME_SECONDS = 4.0
MAX_ENTRIES = 1000

Answer = TypeVar("Answer")


class _Memory(Generic[Answer]):
    """The newest answers, each for its lifetime."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, ...], tuple[float, Answer]] = OrderedDict()

    def recall(
        self, key: tuple[str, ...], ask: Callable[[], Answer], *, keep_absence: bool
    ) -> Answer:
        entry, present = self._entries.get(key), time.monotonic()
        if entry is not None and present - entry[0] < LIFETIME_SECONDS:
            return entry[1]
        answer = ask()
        if answer is None and not keep_absence:
            self._entries.pop(key, None)
            return answer
        self._entries[key] = (present, answer)
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
        return answer


class CachedAccess:
    """An AccessRepository in front of another.

    A tenant that is not there is not remembered; a platform administrator of whom nothing is revoked is.
    """

    def __init__(self, repository: AccessRepository) -> None:
        self._repository = repository
        self._members: _Memory[Access | None] = _Memory()
        self._administrators: _Memory[PrincipalRecord | None] = _Memory()

    def get_access(self, tenant_id: str, subject: str) -> Access | None:
        return self._members.recall(
            (tenant_id, subject),
            lambda: self._repository.get_access(tenant_id, subject),
            keep_absence=False,
        )

    def find_platform_principal(self, subject: str) -> PrincipalRecord | None:
        return self._administrators.recall(
            (subject,),
            lambda: self._repository.find_platform_principal(subject),
            keep_absence=True,
        )
