"""The tasks of ModelRollout that work on the table and the registry alone."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from controlplane.errors import RolloutFailedError, RolloutNotActiveError, UnavailableError
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.cluster import Cluster, cluster_secret, store_secret
from tests.functions.container import forget_wiring
from tests.functions.samples import execution_ended, on_the_bus, sample
from tests.functions.scenario import Scenario, promote
from tests.functions.trail import Trail
from tests.local.kubernetes_api.running_server import RunningServer

DEPLOYMENT = "/projects/vision/deployments/digits"


@pytest.fixture(autouse=True)
def cluster(cloud: Cloud, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """One that the tasks can reach, with all that a rollout needs."""
    monkeypatch.setenv("CLUSTER_SECRET_ARN", store_secret(cloud, cluster_secret(server)))
    made = Cluster(server, "acme")
    made.onboard()
    return made


@pytest.fixture
def versions(acme: Scenario) -> Scenario:
    """acme with versions 1 to 3 of model digits, none of them served."""
    for number in (1, 2, 3):
        acme.upload_version(content=f"{number}".encode())
    return acme


def shown(acme: Scenario) -> Any:
    return acme.call("GET", DEPLOYMENT).json


def test_first_version_makes_the_deployment(versions: Scenario, cloud: Cloud) -> None:
    opened = versions.open_rollout(versions.registered_event(1), "e1")

    assert opened["action"] == "RollOut"
    assert opened["rollout"]["deployment"] == "digits"
    deployment = shown(versions)
    assert deployment["running"]["rollout"] == opened["rollout"]["rollout_id"]
    stored = cloud.item(versions.partition, "DEPLOYMENT#digits")
    assert stored["event"]["detail_type"] == "RolloutStarted"


def test_repeat_within_the_execution_goes_on_with_the_same_rollout(versions: Scenario) -> None:
    event = versions.registered_event(1)

    first, second = (versions.open_rollout(event, "e1") for _ in range(2))

    assert first == second


def test_event_delivered_twice_rolls_out_once(versions: Scenario) -> None:
    event = versions.registered_event(1)
    versions.open_rollout(event, "e1")

    assert versions.open_rollout(event, "e2")["action"] == "Nothing"
    assert shown(versions)["waiting"] is None


def test_newest_waits_and_those_between_are_superseded(versions: Scenario, call: Api) -> None:
    versions.open_rollout(versions.registered_event(1), "e1")

    assert versions.open_rollout(versions.registered_event(2), "e2")["action"] == "Nothing"
    assert versions.open_rollout(versions.registered_event(3), "e3")["action"] == "Nothing"

    assert shown(versions)["running"]["version"] == 1
    assert shown(versions)["waiting"]["version"] == 3


def test_older_version_that_comes_late_is_superseded_itself(
    versions: Scenario, call: Api, cloud: Cloud
) -> None:
    versions.serve(3)

    assert versions.open_rollout(versions.registered_event(2), "late")["action"] == "Nothing"

    assert (shown(versions)["stable"]["version"], shown(versions)["waiting"]) == (3, None)
    [record] = [
        item
        for item in cloud.items()
        if item["sk"].startswith("ROLLOUT#") and item["model_version"] == 2
    ]
    assert record["state"] == "Superseded"
    rollout = call("GET", f"{DEPLOYMENT}/rollouts/{record['rollout_id']}").json
    assert rollout["reason"]["code"] == "Superseded"


def test_sound_version_passes_the_check(versions: Scenario) -> None:
    opened = versions.open_rollout(versions.registered_event(1), "e1")

    assert invoke("serving/check_rollout", opened["rollout"]) is None


@pytest.mark.parametrize("harm", ["changed", "deleted"])
def test_artifact_that_is_not_as_registered_fails_the_check(
    versions: Scenario, cloud: Cloud, harm: str
) -> None:
    opened = versions.open_rollout(versions.registered_event(1), "e1")
    key = "registry/tenant-acme/vision/digits/1/model.joblib"
    if harm == "changed":
        versions.put_object(key, b"tampered")
    else:
        cloud.s3.delete_object(Bucket=cloud.bucket, Key=key)

    with pytest.raises(RolloutFailedError) as failed:
        invoke("serving/check_rollout", opened["rollout"])

    told = json.loads(str(failed.value))
    assert told["code"] == "ArtifactChanged"
    assert told["remedy"]


def test_format_that_nothing_serves_fails_the_check(acme: Scenario) -> None:
    key = "models/acme/vision/digits/model.keras"
    acme.register(acme.arrival(key, acme.put_object(key, b"tensorflow")))
    opened = acme.open_rollout(acme.registered_event(1), "e1")

    with pytest.raises(RolloutFailedError) as failed:
        invoke("serving/check_rollout", opened["rollout"])

    assert json.loads(str(failed.value))["code"] == "NoSupportingRuntime"


def test_failure_is_recorded_with_its_reason_and_a_redeploy_works(
    versions: Scenario, call: Api, cloud: Cloud
) -> None:
    """Error and cause as a state machine catches them from Lambda."""
    rollout = versions.open_rollout(versions.registered_event(1), "e1")["rollout"]
    failure = RolloutFailedError("ModelLoadFailed", "it does not load", remedy="Upload it again.")
    cause = json.dumps({"errorMessage": str(failure), "errorType": "RolloutFailedError"})

    invoke("serving/fail_rollout", rollout | {"error": "RolloutFailedError", "cause": cause})

    last = shown(versions)["last_rollout"]
    assert (shown(versions)["status"], last["state"]) == ("Failed", "Failed")
    assert last["reason"] == {
        "code": "ModelLoadFailed",
        "message": "it does not load",
        "remedy": "Upload it again.",
    }
    assert call("POST", f"{DEPLOYMENT}/rollouts", {"version": 2}).status == 202
    event = on_the_bus(cloud.item(versions.partition, "DEPLOYMENT#digits")["event"])
    again = versions.open_rollout(event, "e2")
    assert again["action"] == "RollOut"
    promote(again["rollout"])
    assert shown(versions)["status"] == "Ready"


@pytest.mark.parametrize(
    ("error", "cause", "state", "code"),
    [
        (
            "RolloutTimedOutError",
            '{"code":"DeadlineExceeded","message":"m"}',
            "TimedOut",
            "DeadlineExceeded",
        ),
        ("RolloutFailedError", '{"code":"ModelLoa', "Failed", "RolloutFailedError"),
        ("RolloutTimedOutError", "", "TimedOut", "RolloutTimedOutError"),
        ("States.Timeout", "", "Failed", "States.Timeout"),
        ("ClusterRefusedError", "quota", "Failed", "ClusterRefusedError"),
    ],
)
def test_every_failure_is_told(
    versions: Scenario, error: str, cause: str, state: str, code: str
) -> None:
    rollout = versions.open_rollout(versions.registered_event(1), "e1")["rollout"]

    told = json.dumps({"errorMessage": cause}) if cause else ""
    invoke("serving/fail_rollout", rollout | {"error": error, "cause": told})

    last = shown(versions)["last_rollout"]
    assert (last["state"], last["reason"]["code"]) == (state, code)
    assert last["reason"]["message"]


@pytest.mark.parametrize(
    "task", ["check_rollout", "prepare_revision", "advance_rollout", "fail_rollout"]
)
def test_execution_that_does_not_own_the_rollout_changes_nothing(
    versions: Scenario, cloud: Cloud, task: str
) -> None:
    rollout = versions.open_rollout(versions.registered_event(1), "e1")["rollout"]
    before = cloud.items()

    with pytest.raises(RolloutNotActiveError):
        invoke(
            f"serving/{task}",
            rollout | {"execution": "another", "error": "e", "cause": "", "turn": 1},
        )

    assert cloud.items() == before


def test_promotion_retires_the_revision_before_after_its_grace(
    versions: Scenario, cloud: Cloud
) -> None:
    versions.serve(1)
    versions.serve(2)

    stored = cloud.item(versions.partition, "DEPLOYMENT#digits")
    [retiring] = stored["retiring"]
    assert (retiring["model_version"], stored["stable"]["model_version"]) == (1, 2)
    held = [
        v["served_by"]
        for v in versions.call("GET", "/projects/vision/models/digits/versions").json["items"]
    ]
    assert held == [[], ["digits"], ["digits"]]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_execution_that_died_without_a_word_ends_its_rollout(
    versions: Scenario, cloud: Cloud, status: str
) -> None:
    event = versions.registered_event(1)
    versions.open_rollout(event, "arn:died")
    ended = execution_ended("execution_failed_model_rollout", "arn:died", event, status)

    invoke("serving/record_ended_execution", ended)
    after_first = cloud.item(versions.partition, "DEPLOYMENT#digits")
    invoke(
        "serving/record_ended_execution",
        execution_ended("execution_failed_model_rollout", "arn:other", event, status),
    )

    last = shown(versions)["last_rollout"]
    assert (last["state"], last["reason"]["code"]) == ("Failed", "ExecutionEnded")
    assert status in last["reason"]["message"]
    told = json.loads(after_first["event"]["detail"])
    assert told["metadata"]["type"] == "RolloutEnded"
    assert told["data"]["needs_execution"] is True


def test_ended_execution_of_an_unknown_deployment_is_no_matter(
    acme: Scenario, cloud: Cloud
) -> None:
    before = cloud.items()

    invoke("serving/record_ended_execution", sample("execution_failed_model_rollout"))

    assert cloud.items() == before


def test_sample_requests_without_a_deployment_start_nothing(acme: Scenario, cloud: Cloud) -> None:
    before = cloud.items()

    for name in ("rollout_requested", "rollout_ended"):
        assert acme.open_rollout(sample(name), "e")["action"] == "Nothing"

    assert cloud.items() == before


def test_version_deleted_before_its_event_arrives_starts_no_rollout(
    versions: Scenario, call: Api
) -> None:
    """The deployment cannot take hold of what is gone, and nothing is left to do."""
    event = versions.registered_event(3)
    call("DELETE", "/projects/vision/models/digits/versions/3")

    assert versions.open_rollout(event, "e")["action"] == "Nothing"
    assert call("GET", DEPLOYMENT).status == 404


def test_deadline_is_the_settings(versions: Scenario, cloud: Cloud) -> None:
    versions.open_rollout(versions.registered_event(1), "e1")

    active = cloud.item(versions.partition, "DEPLOYMENT#digits")["active"]

    started, ready_by, deadline = (
        datetime.fromisoformat(active[at]) for at in ("started_at", "ready_by", "deadline")
    )
    assert ready_by - started == timedelta(seconds=1800)
    assert deadline - started == timedelta(days=1)


def test_superseded_rollout_announces_its_end_in_its_own_record(
    versions: Scenario, cloud: Cloud, call: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the event of the rollout that takes its place; the audit trail has one record of each."""
    trail = Trail.create(cloud, monkeypatch)
    versions.open_rollout(versions.registered_event(1), "e1")
    assert trail.forward() == []
    trail.take_all()

    older = call("POST", f"{DEPLOYMENT}/rollouts", {"version": 2}).json["rollout"]
    call("POST", f"{DEPLOYMENT}/rollouts", {"version": 3})

    announced = cloud.item(versions.partition, f"ROLLOUT#digits#{older}")["event"]
    told = json.loads(announced["detail"])["data"]
    assert announced["detail_type"] == "RolloutEnded"
    assert (told["rollout_id"], told["state"], told["model_version"]) == (older, "Superseded", 2)
    assert (told["model"], told["needs_execution"]) == ("digits", False)
    assert trail.forward() == []
    recorded = [json.loads(message["body"])["action"] for message in trail.take_all()]
    assert sorted(recorded) == ["RolloutEnded", "RolloutRequested", "RolloutRequested"]


def test_execution_that_died_counts_as_an_end_and_leaves_evidence(
    versions: Scenario, call: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    event = versions.registered_event(1)
    rollout = versions.open_rollout(event, "arn:died")["rollout"]["rollout_id"]
    capsys.readouterr()

    ended = execution_ended("execution_failed_model_rollout", "arn:died", event, "ABORTED")
    invoke("serving/record_ended_execution", ended)
    invoke("serving/record_ended_execution", ended)

    lines = [line for line in capsys.readouterr().out.splitlines() if "RolloutsEnded" in line]
    [counted] = [json.loads(line) for line in lines]
    assert (counted["state"], counted["RolloutsEnded"]) == ("Failed", [1.0])
    path = f"{DEPLOYMENT}/rollouts/{rollout}"
    assert call("GET", path).json["has_evidence"]
    assert call("GET", f"{path}/evidence").status == 200


def test_evidence_that_s3_did_not_take_is_kept_when_the_event_comes_again(
    versions: Scenario,
    call: Api,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = versions.registered_event(1)
    rollout = versions.open_rollout(event, "arn:died")["rollout"]["rollout_id"]
    ended = execution_ended("execution_failed_model_rollout", "arn:died", event, "ABORTED")
    capsys.readouterr()
    with monkeypatch.context() as down:
        down.setenv("MODELS_BUCKET", "there-is-no-such-bucket")
        forget_wiring()
        with pytest.raises(UnavailableError):
            invoke("serving/record_ended_execution", ended)
    forget_wiring()
    path = f"{DEPLOYMENT}/rollouts/{rollout}"
    assert (call("GET", path).json["state"], call("GET", path).json["has_evidence"]) == (
        "Failed",
        False,
    )

    invoke("serving/record_ended_execution", ended)

    assert call("GET", path).json["has_evidence"]
    assert capsys.readouterr().out.count('"RolloutsEnded":[') == 1


def test_an_end_is_told_and_counted_once_though_its_evidence_cannot_be_written(
    versions: Scenario, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = versions.serve(1)
    capsys.readouterr()
    monkeypatch.setenv("MODELS_BUCKET", "there-is-no-such-bucket")
    forget_wiring()
    for _ in range(2):
        with pytest.raises(UnavailableError):
            invoke("serving/write_evidence", rollout)

    told = invoke("serving/write_evidence", rollout | {"bundle": False})

    forget_wiring()
    assert (told["version"], told["state"]) == (1, "Promoted")
    assert capsys.readouterr().out.count('"RolloutsEnded":[') == 1


def test_an_end_is_told_to_the_execution_that_carried_it_out(versions: Scenario) -> None:
    rollout = versions.serve(1)

    assert invoke("serving/write_evidence", rollout) == {
        "version": 1,
        "state": "Promoted",
        "reason": None,
        "rolled_back_seconds": None,
    }
    unknown = invoke("serving/write_evidence", rollout | {"rollout_id": "r-00000000"})
    assert set(unknown.values()) == {None}
