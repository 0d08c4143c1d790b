"""Refusals are in the audit trail, however many of them in little more than nothing."""

from datetime import timedelta

import pytest

from controlplane.runtime.denials import note_denial
from local.bench.wire import Wire
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.container import Log, SetClock
from tests.functions.trail import Trail


def refuse(call: Api, times: int = 1) -> None:
    for _ in range(times):
        answer = call("POST", "/projects", {"name": "mine"}, role="viewer")
        assert answer.status == 403


def test_refusals_are_recorded_with_who_what_and_how_often(
    call: Api, cloud: Cloud, later: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail.create(cloud, monkeypatch)
    refuse(call, 5)
    later(timedelta(minutes=2))
    refuse(call)
    trail.run()

    first, second = trail.chain()

    assert (first["action"], first["actor"]) == ("AccessDenied", "user:sub-acme-viewer")
    assert first["details"]["action"] == "createProject"
    assert (first["details"]["count"], second["details"]["count"]) == (1, 5)
    shown = call("GET", "/audit?actor=user:sub-acme-viewer", role="tenant-admin").json["items"]
    assert [record["details"]["count"] for record in shown] == [5, 1]
    assert not trail.chain("TENANT#globex#AUDIT")


def test_a_thousand_refusals_are_one_write(call: Api, wire: Wire) -> None:
    refuse(call)
    with wire.recording() as made:
        refuse(call, 30)
        for _ in range(970):
            note_denial("acme", "user:sub-acme-viewer", "createProject", "projects")

    assert [c.name for c in made if c.name != "BatchGetItem"] == []


def test_refusals_beyond_measure_reach_the_table_no_more(cloud: Cloud, wire: Wire) -> None:
    with wire.recording() as made:
        for number in range(500):
            note_denial("acme", f"user:{number}", "createProject", "projects")

    assert len([c for c in made if c.name == "PutItem"]) == 20
    assert len([i for i in cloud.items() if i["sk"].startswith("DENIAL#")]) == 20


def test_refusal_that_cannot_be_recorded_is_answered_all_the_same(
    call: Api, wire: Wire, log: Log
) -> None:
    call("GET", "/projects")
    wire.before = lambda made: (
        (400, {"__type": "x#ValidationException", "message": "no"})
        if (made.action == "PutItem")
        else None
    )

    refuse(call)

    assert "a refusal was not recorded" in log.text


def test_refusal_goes_when_its_time_has_come(call: Api, cloud: Cloud) -> None:
    refuse(call)

    [item] = [item for item in cloud.items() if item["sk"].startswith("DENIAL#")]

    assert item["pk"] == "TENANT#acme"
    assert item["expires_at"] > 0
