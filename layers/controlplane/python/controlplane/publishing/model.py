"""A change of an item, and the event that goes out because of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ItemChange:
    """One record of the table's stream. The images are plain Python values; None where there is no image."""

    sequence_number: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None

    @property
    def event(self) -> Mapping[str, Any] | None:
        """The event that this change caused: the new image's, unless the old image has the same one.

        An update without an event of its own delivers the earlier event again, and a removal has no new image.
        """
        new_event = (self.new or {}).get("event")
        old_event = (self.old or {}).get("event")
        if not new_event or (old_event and old_event["id"] == new_event["id"]):
            return None
        return dict(new_event)
