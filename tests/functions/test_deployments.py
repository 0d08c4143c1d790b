"""Deployments and rollouts over HTTP."""

import re

from controlplane.runtime.wiring.serving import deployment_repository
from controlplane.runtime.wiring.tables import use_platform
from controlplane.serving.deployment_events import DeploymentDeleted
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.samples import on_the_bus
from tests.functions.scenario import Scenario, promote

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
    running = shown["running"]
    assert (running["rollout"], running["version"], running["state"]) == (rollout, 1, "Running")
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
    promote(opened["rollout"])
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


def test_a_deployment_is_made_before_its_first_version(call: Api, acme: Scenario) -> None:
    wanted = {"name": "staging", "model": "digits"}

    made = call("POST", "/projects/vision/deployments", wanted)

    assert (made.status, made.json["status"]) == (201, "Creating")
    assert made.headers["location"] == "/api/v1/projects/vision/deployments/staging"
    assert call("GET", made.headers["location"]).json == made.json
    assert call("POST", "/projects/vision/deployments", wanted).status == 409
    elsewhere = call("POST", "/projects/nowhere/deployments", wanted)
    assert (elsewhere.status, elsewhere.json["code"]) == (404, "not_found")


def test_settings_are_set_and_shown(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.serve(1)
    path = f"{DEPLOYMENT}/settings"
    before = call("GET", path)
    wanted = before.json | {"autoscaling": {"min_replicas": 2, "max_replicas": 5}}

    changed = call("PUT", path, wanted, headers={"If-Match": before.etag})

    assert changed.status == 200, changed.body
    assert call("GET", path).json == changed.json
    assert changed.json["autoscaling"]["max_replicas"] == 5
    stale = call("PUT", path, wanted, headers={"If-Match": before.etag})
    assert stale.status == 412


def test_a_check_that_is_switched_off_stays_off(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.serve(1)
    path = f"{DEPLOYMENT}/settings"
    wanted = {"rollout": {"analysis": {"latency": None}}}

    assert call("PUT", path, wanted).json["rollout"]["analysis"]["latency"] is None
    assert call("GET", path).json["rollout"]["analysis"]["latency"] is None


def test_settings_that_cannot_be_are_refused_with_what_is_wrong(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.serve(1)
    for wrong in (
        {"runtime": "unheard-of"},
        {"autoscaling": {"min_replicas": 3, "max_replicas": 2}},
        {"resources": {"gpu_type": "l4"}},
        {"rollout": {"strategy": {"type": "BlueGreen", "judged_on": "Probes"}}},
        {"headers": [{"header": "x y", "value": "b"}]},
    ):
        refused = call("PUT", f"{DEPLOYMENT}/settings", wrong)
        assert (refused.status, refused.json["code"]) == (422, "invalid_request"), wrong


def test_a_stopped_deployment_takes_no_rollout_until_it_is_resumed(
    call: Api, acme: Scenario
) -> None:
    acme.upload_version()
    acme.serve(1)

    stopped = call("POST", f"{DEPLOYMENT}/stop")

    assert (stopped.status, stopped.json["status"]) == (202, "Stopped")
    refused = call("POST", ROLLOUTS, {"version": 1})
    assert (refused.status, refused.json["remedy"]) == (409, "Resume it first.")
    assert call("POST", f"{DEPLOYMENT}/resume").status == 202


def test_a_projects_serving_policy_is_the_defaults_until_it_is_set(
    call: Api, acme: Scenario
) -> None:
    path = "/projects/vision/serving-policy"
    before = call("GET", path)
    assert before.json["auto_deploy"] is True

    put = call("PUT", path, {"auto_deploy": False}, headers={"If-Match": before.etag})

    assert put.status == 200, put.body
    assert call("GET", path).json["auto_deploy"] is False
    assert call("PUT", path, {}, headers={"If-Match": before.etag}).status == 412


def test_a_deployment_goes_also_from_a_project_that_is_closed(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    """An offboarding closes a project before it waits for its deployments to go."""
    wanted = {"name": "staging", "model": "digits"}
    assert call("POST", "/projects/vision/deployments", wanted).status == 201
    project = cloud.item("TENANT#acme", "PROJECT#vision")
    cloud.put_many([project | {"deleted_at": "2026-03-02T09:15:00+00:00"}])
    use_platform()
    deployments = deployment_repository()
    staging = deployments.get("acme", "vision", "staging")

    event = DeploymentDeleted(tenant_id="acme", project="vision", deployment="staging")
    deployments.remove("acme", "vision", staging, event)

    assert call("GET", "/projects/vision/deployments/staging").status == 404
