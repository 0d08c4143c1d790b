"""What publishing needs from the outside world."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class EventBus(Protocol):
    def publish(self, events: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        """Put events (`id`, `source`, `detail_type`, `detail` as JSON text); for each, whether it was taken.

        `also`, if there, lists further names of the event, with `source`, `detail_type` and `detail` of their own.
        """
        ...


class FailedRecords(Protocol):
    """Batches of the stream that could not be published, each kept whole."""

    def list(self, limit: int) -> Sequence[str]:
        """The names of at most `limit` batches, the oldest first."""
        ...

    def read(self, name: str) -> Mapping[str, Any]:
        """The event that the stream's consumer was given."""
        ...

    def delete(self, name: str) -> None: ...
