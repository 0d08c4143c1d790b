"""The event bus, and the batches that could not be published."""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.errors import UnavailableError


class MemoryBus:
    """An EventBus. It refuses the events whose ids are in `refused`, and everything while `down`."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)
        self.down = False
        self.published: list[Mapping[str, Any]] = []

    def publish(self, events: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        if self.down:
            raise UnavailableError("the event bus did not answer")
        taken = [event["id"] not in self.refused for event in events]
        self.published += [event for event, ok in zip(events, taken, strict=True) if ok]
        return taken


class MemoryFailedRecords:
    """A FailedRecords."""

    def __init__(self, **batches: Mapping[str, Any]) -> None:
        self.batches = dict(batches)

    def list(self, limit: int) -> Sequence[str]:
        return sorted(self.batches)[:limit]

    def read(self, name: str) -> Mapping[str, Any]:
        return self.batches[name]

    def delete(self, name: str) -> None:
        self.batches.pop(name, None)
