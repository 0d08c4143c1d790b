"""Items: what may be in them, and the event that they carry."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from controlplane.adapters.dynamodb_items import (
    as_item,
    attributes_of,
    put_over,
    seconds,
    tombstone,
)
from controlplane.adapters.dynamodb_table import MAX_DEPTH, Key, checked, is_tombstone
from controlplane.projects.model import Project, ProjectDeleted
from controlplane.publishing.model import ItemChange
from controlplane.serving.analysis import AnalysisPolicy, RevisionCounts, Unanswered
from controlplane.serving.progress import Progress
from controlplane.serving.statistics.evidence import Baseline, Evidence
from controlplane.serving.strategy import RolloutPolicy
from tests.fakes import Clock
from tests.fakes.clock import START

KEY = Key("TENANT#acme", "PROJECT#vision")
PROJECT = Project(name="vision", created_at=START, created_by="ada", version=3)
GONE = ProjectDeleted(tenant_id="acme", project="vision", deleted_by="ada")


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", ["", 0, 2**70, True, None, b"bytes", [1, {"a": ["b"]}], {"s"}, nested(MAX_DEPTH - 1)]
)
def test_values_that_keep_their_type_are_taken(value: object) -> None:
    item = {"value": value}

    assert checked(item) is item


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (0.5, "float"),
        ([1, {"a": 0.5}], "float"),
        ({"a": datetime(2026, 5, 1, tzinfo=UTC)}, "datetime"),
        ((1, 2), "tuple"),
        (nested(MAX_DEPTH + 1), "deeply"),
    ],
)
def test_values_that_would_change_are_refused(value: object, word: str) -> None:
    with pytest.raises(TypeError, match=word):
        checked({"value": value})


@pytest.mark.parametrize(
    "entity",
    [
        RolloutPolicy(analysis=AnalysisPolicy(latency=None)),
        RolloutPolicy(analysis=AnalysisPolicy(error_rate=None, latency=None)),
        Progress(
            evidence=Evidence(
                last=Baseline(observed_at=START, generation="1", canary=RevisionCounts(requests=4))
            ),
            unanswered=Unanswered(canary=4),
        ),
    ],
    ids=["no latency", "neither check", "no stable figures"],
)
def test_what_is_switched_off_or_not_known_reads_back_as_the_same(entity: BaseModel) -> None:
    """And not as the default that would stand there."""
    item = attributes_of(entity)

    assert type(entity).model_validate(checked(item)) == entity


def test_a_record_that_says_nothing_of_the_stable_revision_can_be_read() -> None:
    stored = {"observed_at": START.isoformat(), "generation": "1", "canary": {}}

    assert Baseline.model_validate(stored).stable is None


def test_an_entity_becomes_plain_values_without_what_is_not_there() -> None:
    item = as_item(KEY, PROJECT, more=1)

    assert checked(item)["created_at"] == "2026-05-01T12:00:00Z"
    assert (item["pk"], item["sk"], item["more"]) == ("TENANT#acme", "PROJECT#vision", 1)
    assert "event" not in item
    assert Project.model_validate(item) == PROJECT


def test_an_event_lies_in_the_item_as_the_publisher_reads_it() -> None:
    item = as_item(KEY, PROJECT, GONE)

    event = ItemChange("1", None, checked(item)).event
    assert event is not None
    assert (event["id"], event["detail_type"]) == (GONE.event_id, "ProjectDeleted")
    assert json.loads(event["detail"]) == GONE.envelope()["detail"]


def test_a_tombstone_announces_the_end_and_expires(clock: Clock) -> None:
    item = tombstone(KEY, GONE, version=3)

    assert is_tombstone(item)
    assert item["version"] == 4
    assert item["expires_at"] - seconds(clock.now()) == 7 * 24 * 3600
    assert ItemChange("1", as_item(KEY, PROJECT), checked(item)).event is not None
    assert not is_tombstone(as_item(KEY, PROJECT))


def test_a_write_over_nothing_demands_that_nothing_is_there() -> None:
    assert "attribute_not_exists(pk)" in put_over(KEY, {}, None).condition
    over = put_over(KEY, {}, 3)
    assert "#version = :known" in over.condition
    assert over.values == {":known": 3}
