"""The ticks of a rollout: what they cost, what they keep, and how one that waits is woken."""

import json

import pytest

from controlplane.errors import ConcurrentChangeError, RolloutFailedError
from controlplane.runtime.settings import load
from local.bench.wire import Wire
from tests.functions.api_calls import invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json, on_the_bus
from tests.functions.stage import Stage

ROUTE = "vision--digits"
V2 = f"{ROUTE}--v2"
STRATEGY = {"type": "Canary", "steps": [{"percent": 10}]}


@pytest.fixture
def canary(stage: Stage) -> Json:
    """The rollout of version 2, whose canary has its first share in effect."""
    stage.promote_first()
    second = stage.open_canary(2, STRATEGY)
    stage.prepare(second)
    stage.ready(V2)
    assert stage.tick(second) == "Tick"
    stage.cluster.accept_route(ROUTE)
    assert stage.tick(second) == "Tick"
    return second


def dynamodb(wire: Wire) -> list[str]:
    return [call.action for call in wire.calls if call.service == "dynamodb"]


def path(canary: Json) -> str:
    return f"/projects/vision/deployments/digits/rollouts/{canary['rollout_id']}"


def test_a_rollout_is_judged_only_where_functions_are_told_of_a_source(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.promote_first()
    second = stage.open_canary(2, STRATEGY, on_inconclusive="Wait")
    with pytest.raises(RolloutFailedError) as refused:
        stage.run("check_rollout", second)
    assert refused.value.reason == "NoMetricSource"

    monkeypatch.setenv("METRICS_SOURCE", "Prometheus")
    load.cache_clear()
    stage.run("check_rollout", second)


def test_a_tick_is_one_read_and_one_write(stage: Stage, canary: Json, wire: Wire) -> None:
    stage.tick(canary)
    wire.calls.clear()

    assert stage.tick(canary) == "Tick"

    assert dynamodb(wire) == ["BatchGetItem", "TransactWriteItems"]


def test_a_preflight_reads_the_new_version_once(stage: Stage, wire: Wire) -> None:
    stage.promote_first()
    second = stage.open_canary(2, STRATEGY)
    wire.calls.clear()

    stage.run("check_rollout", second)

    # Deployment and rollout; the version with what the policy says of it; the stable one; what was frozen.
    assert dynamodb(wire) == ["BatchGetItem", "BatchGetItem", "GetItem", "TransactWriteItems"]


def test_a_silent_tick_announces_nothing_and_a_visible_one_does(
    stage: Stage, canary: Json, cloud: Cloud
) -> None:
    def event() -> Json:
        stored: Json = cloud.item(stage.scenario.partition, "DEPLOYMENT#digits")["event"]
        return stored

    before = event()
    assert before["detail_type"] == "RolloutStepStarted"
    assert json.loads(before["detail"])["data"]["percent"] == 10
    stage.tick(canary)
    assert event() == before

    stage.scenario.call("POST", f"{path(canary)}/pause")
    assert event()["detail_type"] == "RolloutCommanded"
    stage.tick(canary)
    assert event()["detail_type"] == "RolloutPaused"


def test_a_tick_that_another_one_overtook_is_not_recorded(
    stage: Stage, canary: Json, cloud: Cloud, wire: Wire
) -> None:
    """Two functions carry the same tick out: what the slower one thinks is thrown away."""

    def overtake(made: object) -> None:
        if getattr(made, "action", "") == "TransactWriteItems":
            wire.before = None
            stage.tick(canary)

    wire.before = overtake
    with pytest.raises(ConcurrentChangeError):
        stage.tick(canary)

    prefix = f"TICK#digits#{canary['rollout_id']}#"
    ticks = [item for item in cloud.items() if item["sk"].startswith(prefix)]
    record = cloud.item(stage.scenario.partition, f"ROLLOUT#digits#{canary['rollout_id']}")
    assert record["progress"]["ticks"] == len(ticks)


def test_all_of_it_is_kept_as_evidence_when_it_has_ended(
    stage: Stage, canary: Json, cloud: Cloud
) -> None:
    stage.scenario.call("POST", f"{path(canary)}/abort")
    stage.tick(canary)
    stage.cluster.accept_route(ROUTE)
    assert stage.tick(canary) == "End"
    stage.run("finish_rollout", canary)
    stage.run("write_evidence", canary)

    key = f"evidence/tenant-{stage.scenario.tenant}/vision/digits/{canary['rollout_id']}.json"
    bundle = json.loads(cloud.s3.get_object(Bucket=cloud.bucket, Key=key)["Body"].read())
    assert (bundle["state"], bundle["reason"]["code"]) == ("Aborted", "Aborted")
    assert [command["command"] for command in bundle["commands"]] == ["Abort"]
    *_, last, closing = bundle["ticks"]
    assert (last["phase"], closing["note"]) == ("RollingBack", "after the end")
    assert closing["number"] == last["number"] + 1 == len(bundle["ticks"])
    assert any("httproutes" in change["path"] for change in closing["changes"])
    assert any("httproutes" in change["path"] for t in bundle["ticks"] for change in t["changes"])


def test_rollouts_are_listed_the_newest_first(stage: Stage, canary: Json) -> None:
    listed = stage.scenario.call("GET", "/projects/vision/deployments/digits/rollouts").json

    states = [(item["version"], item["state"]) for item in listed["items"]]
    assert states == [(2, "Running"), (1, "Promoted")]


def test_a_command_wakes_nobody_when_nobody_waits(stage: Stage, canary: Json, cloud: Cloud) -> None:
    stage.scenario.call("POST", f"{path(canary)}/pause")
    event = on_the_bus(cloud.item(stage.scenario.partition, "DEPLOYMENT#digits")["event"])

    assert invoke("serving/wake_rollout", event) is None


def test_the_token_of_a_wait_is_kept_for_the_next_command(
    stage: Stage, canary: Json, cloud: Cloud
) -> None:
    stage.run("await_tick", canary, token="a-token", commands=0)

    kept = cloud.item(stage.scenario.partition, "ROLLOUTWAIT#digits")
    assert kept["token"] == "a-token"
    assert "event" not in kept
