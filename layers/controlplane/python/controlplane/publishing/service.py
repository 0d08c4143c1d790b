"""Publishing what has happened, in the order in which it was stored."""

from collections.abc import Sequence

from controlplane.publishing.model import ItemChange
from controlplane.publishing.ports import EventBus


def publish_changes(changes: Sequence[ItemChange], *, bus: EventBus) -> Sequence[str]:
    """Put the events of the changes on the bus; the sequence numbers of those that the bus did not take."""
    announced = [(change.sequence_number, change.event) for change in changes]
    outgoing = [(number, event) for number, event in announced if event is not None]
    if not outgoing:
        return []
    taken = bus.publish([event for _, event in outgoing])
    return [number for (number, _), ok in zip(outgoing, taken, strict=True) if not ok]
