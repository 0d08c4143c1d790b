"""What is told of a change: whose it is, by references and digests alone."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.auditing.digests import canonical_json, digest_of
from controlplane.auditing.forwarding import change_of, forward_changes
from controlplane.auditing.model import UNREADABLE, AccessDenied
from controlplane.events import DomainEvent, act_as, correlated
from controlplane.identifiers import now
from controlplane.projects.model import ProjectCreated
from controlplane.publishing.model import ItemChange
from tests.fakes import MemoryChangeQueue

SCALARS = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.binary())
ITEMS = st.dictionaries(
    st.text(min_size=1),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def announced(event: DomainEvent, pk: str = "TENANT#acme", **content: Any) -> dict[str, Any]:
    """An item as the stream shows it."""
    envelope = event.envelope()
    stored = envelope | {"detail": json.dumps(envelope["detail"])}
    return {"pk": pk, "sk": "PROJECT#vision", "event": stored} | content


def created(**fields: str) -> ProjectCreated:
    return ProjectCreated(
        **({"tenant_id": "acme", "project": "vision", "created_by": "u"} | fields)
    )


def test_change_is_told_by_references_and_digests() -> None:
    with correlated("c", "cause"):
        act_as("user:u")
        event = created()
    image = announced(event, description="a secret of acme", model_versions=Decimal(3))

    told = change_of(ItemChange("1", None, image))

    assert (told.tenant_id, told.event_id, told.actor) == ("acme", event.event_id, "user:u")
    assert (told.action, told.resource) == ("ProjectCreated", "projects/vision")
    assert (told.correlation_id, told.causation_id) == ("c", "cause")
    assert told.time == event.occurred_at
    assert (told.before, told.after) == (None, digest_of(image))
    assert "secret" not in told.model_dump_json()


@pytest.mark.parametrize(
    ("pk", "tenant"),
    [
        ("TENANT#acme", "acme"),
        ("TENANT#acme#PROJECT#vision", "acme"),
        ("PLATFORM", "globex"),
        ("PLATFORM#USER#u", "globex"),
    ],
)
def test_chain_is_that_of_the_items_tenant(pk: str, tenant: str) -> None:
    """An event that names another tenant than its item's key does not reach that tenant's chain."""
    image = announced(created(tenant_id="globex"), pk)

    assert change_of(ItemChange("1", None, image)).tenant_id == tenant


@pytest.mark.parametrize("detail", ["no JSON", "{}", '{"metadata": {"tenant_id": "globex"}}', None])
def test_event_that_cannot_be_read_is_told_as_such(detail: str | None) -> None:
    image = {"pk": "TENANT#acme", "sk": "x", "event": {"id": "e1", "detail": detail}}

    told = change_of(ItemChange("1", None, image))

    assert (told.tenant_id, told.event_id, told.action) == ("acme", "e1", UNREADABLE)


def test_changes_without_an_event_of_their_own_are_not_told() -> None:
    image = announced(created())
    queue = MemoryChangeQueue()
    counted = image | {"model_versions": 1}

    failed = forward_changes(
        [
            ItemChange("1", None, image),
            ItemChange("2", image, counted),
            ItemChange("3", counted, None),
            ItemChange("4", None, {"pk": "TENANT#acme", "sk": "IDEMPOTENCY#k"}),
        ],
        queue=queue,
    )

    assert not failed
    assert [told.event_id for told in queue.sent] == [image["event"]["id"]]


def test_what_the_queue_does_not_take_is_named_from_the_first_one_on() -> None:
    changes = [ItemChange(str(n), None, announced(created())) for n in range(4)]
    queue = MemoryChangeQueue(room=2)

    assert forward_changes(changes, queue=queue) == ["2", "3"]


def test_refusal_is_told_with_what_was_asked_for() -> None:
    moment = now()
    event = AccessDenied(
        tenant_id="acme",
        actor="user:u",
        action="deleteProject",
        resource="projects/vision",
        count=7,
        first_at=moment,
        last_at=moment,
    )

    told = change_of(ItemChange("1", None, announced(event)))

    assert (told.action, told.actor, told.resource) == (
        "AccessDenied",
        "user:u",
        "projects/vision",
    )
    assert told.details["action"] == "deleteProject"
    assert told.details["count"] == 7


@given(ITEMS, st.randoms())
def test_digest_does_not_depend_on_the_order_in_which_an_item_was_written(
    item: Mapping[str, Any], order: Any
) -> None:
    names = list(item)
    order.shuffle(names)

    assert digest_of({name: item[name] for name in names}) == digest_of(item)


@given(ITEMS, ITEMS)
def test_different_items_have_different_digests(one: Any, other: Any) -> None:
    one, other = ({k: v for k, v in item.items() if k != "event"} for item in (one, other))

    assert (digest_of(one) == digest_of(other)) == (canonical_json(one) == canonical_json(other))


def test_digest_is_of_the_content_and_not_of_the_event() -> None:
    first, second = announced(created()), announced(created())

    assert digest_of(first) == digest_of(second)
    assert digest_of(first) != digest_of(first | {"description": "x"})
    assert digest_of({"a": {"b", "c"}}) == digest_of({"a": {"c", "b"}})
    assert digest_of({"n": Decimal("3.0")}) == digest_of({"n": Decimal(3)})
    assert digest_of(None) is None
