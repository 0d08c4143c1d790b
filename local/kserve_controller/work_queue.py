"""Keys that wait to be reconciled: each at most once, some of them not before a certain time."""

import threading
import time
from collections.abc import Iterable

from local.kserve_controller.specification import Key


class WorkQueue:
    """Filled from many threads, emptied by one."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._closed = False
        self._condition = threading.Condition()

    def add(self, key: Key, at: float | None = None) -> None:
        """Let `key` be due at monotonic time `at` (default: now), or earlier if it already is."""
        moment = time.monotonic() if at is None else at
        with self._condition:
            self._due[key] = min(moment, self._due.get(key, moment))
            self._condition.notify()

    def add_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.add(key)

    def take(self) -> Key | None:
        """Wait for a key that is due; None once the queue is closed."""
        with self._condition:
            while not self._closed:
                key = min(self._due, key=self._due.__getitem__, default=None)
                wait = None if key is None else self._due[key] - time.monotonic()
                if key is not None and wait is not None and wait <= 0:
                    del self._due[key]
                    return key
                self._condition.wait(wait)
            return None

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()
