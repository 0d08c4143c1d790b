"""What publishing needs from the outside world."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class EventBus(Protocol):
    def publish(self, events: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        """Put events (`id`, `source`, `detail_type`, `detail` as JSON text); for each, whether it was taken."""
        ...
