"""Deployments and rollouts over HTTP."""

import re

from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import on_the_bus
from tests.functions.scenario import Scenario

DEPLOYMENT = "/projects/vision/deployments/digits"
ROLLOUTS = f"{DEPLOYMENT}/rollouts"


def test_deployment_shows_what_it_serves_and_where(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.serve(1)

    found = call("GET", DEPLOYMENT)

    shown = found.json
    assert (found.status, shown["status"], shown["model"]) == (200, "Ready", "digits")
    assert found.etag
    assert (shown["stable"]["version"], shown["stable"]["traffic_percent"]) == (1, 100)
    assert shown["stable"]["name"] == "vision--digits--v1"
    assert shown["last_rollout"]["state"] == "Promoted"
    base = "http://ingress.example:8080/serving/tenant-acme/vision--digits"
    assert shown["endpoints"] == {
        "v1": f"{base}/v1/models/digits:predict",
        "v2": f"{base}/v2/models/digits/infer",
    }
    listed = call("GET", "/projects/vision/deployments").json
    assert listed == {"items": [shown], "next": None}


def test_deployment_being_created_shows_its_rollout(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    opened = acme.open_rollout(acme.registered_event(1), "e1")

    shown = call("GET", DEPLOYMENT).json

    assert (shown["status"], shown["stable"]) == ("Creating", None)
    rollout = opened["rollout"]["rollout_id"]
    assert shown["running"] == {"rollout": rollout, "version": 1, "state": "Running"}
    assert call("GET", f"{ROLLOUTS}/{rollout}").json["state"] == "Running"


def test_redeploy_of_an_earlier_version_waits_for_its_execution(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    for number in (1, 2):
        acme.upload_version(content=f"{number}".encode())
        acme.serve(number)

    asked = call("POST", ROLLOUTS, {"version": 1})

    assert asked.status == 202
    assert (asked.json["state"], asked.json["version"]) == ("Waiting", 1)
    assert asked.json["requested_by"] == "sub-acme-developer"
    assert asked.headers["location"] == f"/api/v1{ROLLOUTS}/{asked.json['rollout']}"
    assert call("GET", asked.headers["location"]).json == asked.json
    event = cloud.item(acme.partition, "DEPLOYMENT#digits")["event"]
    assert event["detail_type"] == "RolloutRequested"
    opened = acme.open_rollout(on_the_bus(event), "redeploy")
    assert opened["rollout"]["rollout_id"] == asked.json["rollout"]
    invoke("serving/finish_rollout", opened["rollout"])
    shown = call("GET", DEPLOYMENT).json
    assert (shown["stable"]["version"], shown["status"]) == (1, "Ready")
    assert call("GET", asked.headers["location"]).json["state"] == "Promoted"


def test_newer_request_supersedes_the_one_that_waits(call: Api, acme: Scenario) -> None:
    for number in (1, 2, 3):
        acme.upload_version(content=f"{number}".encode())
    acme.open_rollout(acme.registered_event(1), "e1")

    older = call("POST", ROLLOUTS, {"version": 2}).json["rollout"]
    newer = call("POST", ROLLOUTS, {"version": 3}).json["rollout"]

    superseded = call("GET", f"{ROLLOUTS}/{older}").json
    assert (superseded["state"], superseded["reason"]["code"]) == ("Superseded", "Superseded")
    shown = call("GET", DEPLOYMENT).json
    assert shown["running"]["version"] == 1
    assert shown["waiting"] == {"rollout": newer, "version": 3, "state": "Waiting"}
    released = call("GET", "/projects/vision/models/digits/versions/2").json
    assert released["served_by"] == []


def test_rollout_of_what_is_not_there_is_not_found(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    assert call("POST", ROLLOUTS, {"version": 1}).status == 404
    acme.serve(1)

    assert call("POST", ROLLOUTS, {"version": 2}).code == "not_found"
    assert call("GET", f"{ROLLOUTS}/r-00000000").status == 404
    assert call("GET", DEPLOYMENT).json["waiting"] is None


def test_repeated_rollout_request_is_one_rollout(call: Api, acme: Scenario) -> None:
    for number in (1, 2):
        acme.upload_version(content=f"{number}".encode())
    acme.serve(1)
    key = {"Idempotency-Key": "again"}

    first = call("POST", ROLLOUTS, {"version": 2}, headers=key)
    second = call("POST", ROLLOUTS, {"version": 2}, headers=key)
    other = call("POST", ROLLOUTS, {"version": 1}, headers=key)

    assert (second.status, second.json) == (202, first.json)
    assert re.fullmatch("r-[0-9a-f]{16}", first.json["rollout"])
    assert (other.status, other.code) == (422, "idempotency_key_reused")


def test_deployment_deleted_serves_no_more_and_its_versions_stay(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    acme.upload_version()
    acme.serve(1)

    leaving = call("DELETE", DEPLOYMENT)
    again = call("DELETE", DEPLOYMENT)

    assert (leaving.status, leaving.json["status"]) == (202, "Deleting")
    assert (again.status, again.json["status"]) == (202, "Deleting")
    assert call("GET", DEPLOYMENT).json["stable"] is None
    assert call("GET", "/projects/vision/models/digits/versions/1").status == 200
    event = cloud.item(acme.partition, "DEPLOYMENT#digits")["event"]
    assert event["detail_type"] == "DeploymentDeletionRequested"
    assert acme.open_rollout(on_the_bus(event), "removal")["action"] == "Retire"


def test_deployment_with_a_running_rollout_is_not_deleted(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.open_rollout(acme.registered_event(1), "e1")

    refused = call("DELETE", DEPLOYMENT)

    assert (refused.status, refused.code) == (409, "in_use")
    assert refused.json["remedy"]


def test_deployment_taken_up_again_by_a_rollout_is_not_leaving(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.serve(1)
    call("DELETE", DEPLOYMENT)

    assert call("POST", ROLLOUTS, {"version": 1}).status == 202
    acme.upload_version(content=b"two")
    acme.serve(2)

    assert call("GET", DEPLOYMENT).json["status"] == "Ready"
