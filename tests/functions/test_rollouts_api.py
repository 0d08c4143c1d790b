"""Rollouts over HTTP: plan, history, commands, evidence and the way back."""

import pytest

from controlplane.serving.progress import Progress
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json
from tests.functions.scenario import Scenario, promote

DEPLOYMENT = "/projects/vision/deployments/digits"
ROLLOUTS = f"{DEPLOYMENT}/rollouts"
CANARY = {"strategy": {"type": "Canary", "steps": [{"percent": 20, "bake_seconds": 60}]}}


@pytest.fixture
def served(acme: Scenario) -> Scenario:
    """Version 1 is served, version 2 is registered."""
    for number in (1, 2):
        acme.upload_version(content=f"{number}".encode())
    acme.serve(1)
    return acme


@pytest.fixture
def running(served: Scenario) -> Json:
    """Version 2 is on its way."""
    opened = served.open_rollout(served.registered_event(2), "e2")
    rollout: Json = opened["rollout"]
    return rollout


def path_of(rollout: Json) -> str:
    return f"{ROLLOUTS}/{rollout['rollout_id']}"


def test_a_plan_tells_steps_writes_and_traffic_and_changes_nothing(
    call: Api, cloud: Cloud, served: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS_SOURCE", "Prometheus")
    before = cloud.item(served.partition, "DEPLOYMENT#digits")
    planned = call("POST", f"{DEPLOYMENT}/plan", {"version": 2, "policy": CANARY})

    assert planned.status == 200, planned.body
    plan = planned.json
    assert (plan["version"], plan["stable_version"], plan["mechanism"]) == (2, 1, "Route")
    assert [each["step"]["percent"] for each in plan["steps"]] == [20]
    names = [move["name"] for move in plan["moves"]]
    assert names == [
        "Prepare",
        "Step 1: 20 %",
        "If it is rolled back",
        "When it has been rolled back",
        "Promote",
        "When it has ended",
    ]
    diff = plan["moves"][1]["writes"][0]["diff"]
    assert any(line.startswith("+") and '"weight": 20' in line for line in diff.splitlines())
    assert plan["steps"][0]["traffic"]["canary_to_pass"] > 0
    assert plan["kept_cost_per_hour_micro_usd"] > 0
    assert plan["obstacles"] == []
    assert cloud.item(served.partition, "DEPLOYMENT#digits") == before


def test_a_plan_tells_what_stands_against_the_version(call: Api, served: Scenario) -> None:
    rules = {"approval_required": True}
    assert call("PUT", "/projects/vision/registry-policy", rules, role="tenant-admin").status == 200

    plan = call("POST", f"{DEPLOYMENT}/plan", {"version": 2}).json

    assert [obstacle["code"] for obstacle in plan["obstacles"]] == ["NotApproved"]
    assert plan["obstacles"][0]["remedy"]


def test_a_rollout_takes_the_version_that_an_alias_names(call: Api, served: Scenario) -> None:
    alias = "/projects/vision/models/digits/aliases/production"
    assert call("PUT", alias, {"version": 1}).status in {200, 201}

    asked = call("POST", ROLLOUTS, {"alias": "production"})

    assert (asked.status, asked.json["version"]) == (202, 1)
    assert call("POST", ROLLOUTS, {"alias": "nobody"}).status == 404
    assert call("POST", ROLLOUTS, {"alias": "latest"}).json["version"] == 2


def test_a_policy_of_its_own_goes_with_one_rollout_alone(call: Api, served: Scenario) -> None:
    asked = call("POST", ROLLOUTS, {"version": 2, "policy": CANARY}).json
    assert asked["policy"]["strategy"]["type"] == "Canary"
    settings = call("GET", f"{DEPLOYMENT}/settings").json
    assert settings["rollout"]["strategy"]["type"] == "AllAtOnce"


@pytest.mark.parametrize(
    "policy",
    [
        {"strategy": {"type": "Canary", "steps": [{"percent": 50}, {"percent": 10}]}},
        {"strategy": {"type": "Canary", "steps": []}},
        {"strategy": {"type": "Bold"}},
        {"tick_seconds": 0},
        {"analysis": {"false_alarm": 0}},
        {"analysis": {"values": [{"name": "drift", "query": "avg(drift{"}]}},
        {"surprise": True},
    ],
)
def test_a_policy_that_cannot_be_is_refused(call: Api, served: Scenario, policy: Json) -> None:
    refused = call("POST", ROLLOUTS, {"version": 2, "policy": policy})
    assert (refused.status, refused.json["code"]) == (422, "invalid_request")


def test_the_history_is_listed_with_the_newest_first(call: Api, served: Scenario) -> None:
    asked = [call("POST", ROLLOUTS, {"version": number}).json["rollout"] for number in (1, 2)]
    listed = call("GET", ROLLOUTS).json["items"]
    assert [rollout["rollout"] for rollout in listed[:2]] == asked[::-1]
    assert [rollout["state"] for rollout in listed] == ["Waiting", "Superseded", "Promoted"]
    page = call("GET", f"{ROLLOUTS}?limit=1").json
    assert page["items"] == listed[:1]
    rest = call("GET", f"{ROLLOUTS}?limit=1&cursor={page['next']}").json
    assert rest["items"] == listed[1:2]


@pytest.mark.parametrize("command", ["pause", "promote", "abort"])
def test_a_command_is_written_down_and_wakes_the_rollout(
    call: Api, cloud: Cloud, served: Scenario, running: Json, command: str
) -> None:
    told = call("POST", f"{path_of(running)}/{command}")

    assert told.status == 200, told.body
    stored = cloud.item(served.partition, "DEPLOYMENT#digits")
    assert stored["event"]["detail_type"] == "RolloutCommanded"
    [given] = stored["active"]["commands"]
    assert given["command"] == command.capitalize()
    assert given["actor"]


def test_a_rollout_that_awaits_no_approval_is_not_approved(call: Api, running: Json) -> None:
    refused = call("POST", f"{path_of(running)}/approve")
    assert refused.status == 409
    assert refused.json["remedy"]


def test_a_rollout_that_has_ended_takes_no_command(call: Api, served: Scenario) -> None:
    [ended] = call("GET", ROLLOUTS).json["items"]
    refused = call("POST", f"{ROLLOUTS}/{ended['rollout']}/pause")
    assert refused.status == 409


def test_a_command_to_another_state_is_refused(call: Api, running: Json) -> None:
    refused = call("POST", f"{path_of(running)}/pause", headers={"If-Match": '"1"'})
    assert refused.status == 412


def test_the_evidence_of_a_rollout_that_has_not_ended_is_not_there(
    call: Api, running: Json
) -> None:
    missing = call("GET", f"{path_of(running)}/evidence")
    assert missing.status == 404
    assert "ended" in missing.json["remedy"]


def test_the_revision_before_is_shown_with_its_cost_and_returned_to(
    call: Api, served: Scenario
) -> None:
    served.serve(2)

    shown = call("GET", DEPLOYMENT).json
    assert (shown["stable"]["version"], shown["previous"]["version"]) == (2, 1)
    assert shown["previous"]["cost_per_hour_micro_usd"] > 0

    back = call("POST", f"{DEPLOYMENT}/rollback")
    assert (back.status, back.json["version"], back.json["kind"]) == (202, 1, "Rollback")


def test_there_is_nothing_to_return_to_after_a_first_rollout(call: Api, served: Scenario) -> None:
    refused = call("POST", f"{DEPLOYMENT}/rollback")
    assert refused.status == 409
    assert refused.json["remedy"]


def test_a_running_rollout_shows_where_it_stands(call: Api, running: Json) -> None:
    shown = call("GET", DEPLOYMENT).json
    assert (shown["status"], shown["canary"]["version"]) == ("RollingOut", 2)
    assert shown["canary"]["traffic_percent"] == 0
    assert shown["stable"]["traffic_percent"] == 100
    assert shown["running"]["phase"] == Progress().phase


def test_evidence_is_told_of_when_it_is_there_and_not_before(call: Api, served: Scenario) -> None:
    rollout = served.open_rollout(served.registered_event(2), "e2")["rollout"]
    promote(rollout)

    assert has_evidence(call, rollout) == [False, False]
    missing = call("GET", f"{path_of(rollout)}/evidence")
    assert (missing.status, "within seconds" in missing.json["remedy"]) == (404, True)

    invoke("serving/write_evidence", rollout)

    assert has_evidence(call, rollout) == [True, True]
    assert call("GET", f"{path_of(rollout)}/evidence").status == 200


def test_evidence_of_a_rollout_that_never_began_will_not_come(call: Api, running: Json) -> None:
    waiting = call("POST", ROLLOUTS, {"version": 1}).json["rollout"]
    assert call("POST", f"{ROLLOUTS}/{waiting}/abort").status == 200

    missing = call("GET", f"{ROLLOUTS}/{waiting}/evidence")

    assert missing.status == 404
    assert "never began" in missing.json["remedy"]
    assert not call("GET", f"{ROLLOUTS}/{waiting}").json["has_evidence"]


def has_evidence(call: Api, rollout: Json) -> list[bool]:
    """As the rollout itself tells, and the list."""
    shown = call("GET", path_of(rollout)).json
    listed = call("GET", ROLLOUTS).json["items"]
    return [
        each["has_evidence"] for each in (shown, *listed) if each["rollout"] == shown["rollout"]
    ]
