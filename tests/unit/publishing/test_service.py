"""Events go out once per change that carries one, in the order in which they were stored."""

from typing import Any

import pytest

from controlplane.errors import UnavailableError
from controlplane.publishing.model import ItemChange
from controlplane.publishing.service import publish_changes
from tests.fakes import MemoryBus


def item(event_id: str | None, **more: object) -> dict[str, Any]:
    event = {"id": event_id, "source": "headrace.projects", "detail_type": "E", "detail": "{}"}
    return (
        {"pk": "TENANT#acme", "sk": "PROJECT#vision"}
        | ({"event": event} if event_id else {})
        | more
    )


def change(number: int, old: dict[str, Any] | None, new: dict[str, Any] | None) -> ItemChange:
    return ItemChange(str(number), old, new)


def ids(bus: MemoryBus) -> list[str]:
    return [event["id"] for event in bus.published]


@pytest.mark.parametrize(
    ("old", "new", "published"),
    [
        (None, item("a"), ["a"]),
        (item("a"), item("b"), ["b"]),
        (item(None), item("b"), ["b"]),
        (item("a"), item("b", deleted_at="2026-05-01"), ["b"]),
        (item("a"), item("a", served_by={"digits"}), []),
        (item("a"), item(None), []),
        (item("a"), None, []),
        (item("a", deleted_at="2026-05-01"), None, []),
        (None, item(None), []),
    ],
    ids=[
        "insert",
        "change",
        "first event",
        "tombstone",
        "update without an event of its own",
        "event dropped",
        "removal",
        "tombstone expires",
        "item without events",
    ],
)
def test_what_a_change_publishes(
    old: dict[str, Any] | None, new: dict[str, Any] | None, published: list[str]
) -> None:
    bus = MemoryBus()

    assert publish_changes([change(1, old, new)], bus=bus) == []
    assert ids(bus) == published


def test_changes_are_published_in_their_order() -> None:
    bus = MemoryBus()
    changes = [change(n, None, item(name)) for n, name in enumerate("cab")]

    publish_changes(changes, bus=bus)

    assert ids(bus) == ["c", "a", "b"]


def test_only_what_the_bus_refused_is_delivered_again() -> None:
    bus = MemoryBus("b")
    changes = [
        change(1, None, item("a")),
        change(2, item("x"), None),
        change(3, None, item("b")),
        change(4, None, item("c")),
    ]

    assert publish_changes(changes, bus=bus) == ["3"]
    assert ids(bus) == ["a", "c"]


def test_a_bus_that_does_not_answer_fails_the_whole_batch() -> None:
    bus = MemoryBus()
    bus.down = True

    with pytest.raises(UnavailableError):
        publish_changes([change(1, None, item("a"))], bus=bus)
    assert publish_changes([change(1, item("a"), None)], bus=bus) == []
