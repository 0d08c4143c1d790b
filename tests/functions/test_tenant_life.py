"""Tenants are made, suspended and taken away whole: the tasks against moto and the embedded Kubernetes API."""

import itertools
import json
from dataclasses import asdict

import pytest

from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.cluster import accounts_of, store_secret
from tests.functions.container import forget_wiring
from tests.functions.scenario import Scenario
from tests.functions.tenant_life import Crash, TenantLife, make_fragile, traces
from tests.local.kubernetes_api.running_server import RunningServer

MOMENTS = ("before", "after", "recorded")
# One of each kind of place: the table, the cluster, its last objects, a service of AWS, the user pool.
APPLIED = ("subscription", "namespaces", "schedules", "people")
REMOVED = ("deployments", "namespaces", "people", "records")
_names = itertools.count(1)


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Crash:
    made = Crash()
    make_fragile(made, monkeypatch)
    return made


@pytest.fixture
def life(
    call: Api,
    cloud: Cloud,
    server: RunningServer,
    crash: Crash,
    monkeypatch: pytest.MonkeyPatch,
) -> TenantLife:
    """A tenant that nobody has asked for yet."""
    access = asdict(accounts_of(server.kubeconfig).onboarding)
    secret = store_secret(cloud, json.dumps(access))
    monkeypatch.setenv("CLUSTER_SECRET_ARN", secret)
    monkeypatch.setenv("ONBOARDING_PAUSE_SECONDS", "0")
    return TenantLife(call, cloud, f"firm{next(_names)}x", crash)


@pytest.fixture
def active(life: TenantLife) -> TenantLife:
    assert life.request().status == 202
    assert life.run() == "Active"
    return life


def test_one_request_makes_an_active_tenant(life: TenantLife, server: RunningServer) -> None:
    asked = life.request(headers={"Idempotency-Key": "k"})
    assert asked.status == 202, asked.body
    assert asked.headers["location"] == f"/api/v1/tenants/{life.tenant}"
    assert asked.json["status"] == "Onboarding"
    assert life.run() == "Active"

    view = life.ask("GET").json
    assert {step["name"] for step in view["steps"]} >= {"namespaces", "people", "subscription"}
    assert {step["state"] for step in view["steps"]} == {"Done", "Skipped"}
    assert "administrator" not in life.item, (
        "the person's address stays in the person's record alone"
    )
    found = traces(life.cloud, server, life.tenant)
    assert f"user {life.tenant}.ada" in found
    assert f"group tenant-{life.tenant}" in found
    assert f"schedules tenant-{life.tenant}" in found
    assert f"Namespace//tenant-{life.tenant}-runs" in found
    listed = life.call("GET", "/tenants", tenant=None, role="platform-admin").json["items"]
    assert life.tenant in [entry["tenant"] for entry in listed]


def test_repeats_answer_alike_and_a_used_name_is_never_free(life: TenantLife) -> None:
    first = life.request(headers={"Idempotency-Key": "k"})
    again = life.request(headers={"Idempotency-Key": "k"})
    assert (again.status, again.json) == (202, first.json)
    other = life.request(tier="other", headers={"Idempotency-Key": "k"})
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert life.run() == "Active"
    assert life.request().code == "already_exists"


@pytest.mark.parametrize("name", ["platform", "default", "acme-runs"])
def test_reserved_names_are_refused(life: TenantLife, name: str) -> None:
    life.tenant = name
    assert life.request().code == "invalid_request"


def test_unknown_tier_is_refused(life: TenantLife) -> None:
    refused = life.request(tier="golden")
    assert (refused.status, refused.code) == (422, "invalid_request")
    assert "golden" in refused.json["detail"]
    assert life.item == {}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", APPLIED)
def test_a_crash_in_onboarding_is_made_good(
    life: TenantLife, crash: Crash, step: str, moment: str
) -> None:
    life.request()
    crash.step, crash.moment = f"Apply {step}", moment
    assert life.run() == "Active"
    assert crash.step == "", "the crash was never reached"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", APPLIED)
def test_an_aborted_onboarding_leaves_nothing_and_can_be_repeated(
    life: TenantLife, server: RunningServer, crash: Crash, step: str, moment: str
) -> None:
    before = traces(life.cloud, server, life.tenant)
    life.request()
    crash.step, crash.moment = f"Apply {step}", moment
    assert life.run(aborting=True) == "OnboardingFailed"
    assert traces(life.cloud, server, life.tenant) == before == set()
    assert life.ask("GET").json["reason"]["code"] == "ExecutionEnded"

    assert life.request().status == 202
    assert life.run() == "Active"


@pytest.mark.parametrize("step", APPLIED)
def test_a_step_that_fails_for_good_leaves_nothing(
    life: TenantLife, server: RunningServer, crash: Crash, step: str
) -> None:
    life.request()
    crash.broken = f"Apply {step}"
    assert life.run() == "OnboardingFailed"
    assert traces(life.cloud, server, life.tenant) == set()
    assert "fails for good" in life.ask("GET").json["reason"]["message"]


@pytest.mark.parametrize("aborting", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("step", REMOVED)
def test_a_crash_in_offboarding_is_made_good(
    active: TenantLife,
    server: RunningServer,
    crash: Crash,
    step: str,
    moment: str,
    aborting: bool,
) -> None:
    assert active.ask("DELETE").status == 202
    crash.step, crash.moment = f"Remove {step}", moment
    assert active.run(aborting=aborting) == "Offboarded"
    assert crash.step == "", "the crash was never reached"
    assert traces(active.cloud, server, active.tenant) == set()


def test_offboarding_exports_and_removes_all_that_a_tenant_has(
    active: TenantLife, cloud: Cloud, server: RunningServer
) -> None:
    scenario = Scenario(active.call, cloud, tenant=active.tenant)
    scenario.create_project()
    scenario.upload_version(content=b"one")
    scenario.open_upload()
    cloud.put(f"TENANT#{active.tenant}#AUDIT", "RECORD#000000000001", action="createProject")
    bundle = f"evidence/tenant-{active.tenant}/vision/digits/r-1.json"
    cloud.s3.put_object(Bucket=cloud.bucket, Key=bundle, Body=b"{}")
    left = active.ask("DELETE")
    assert (left.status, left.json["status"]) == (202, "Offboarding")
    forget_wiring()  # a container remembers for a few seconds who may call
    assert scenario.call("GET", "/projects").status in (401, 403)
    assert active.run() == "Offboarded"

    assert traces(cloud, server, active.tenant) == set()
    view = active.ask("GET").json
    counts = {step["name"]: step["count"] for step in view["steps"]}
    assert counts["objects"] >= 2
    assert counts["records"] > 5
    folder = view["export"].removeprefix(f"s3://{cloud.bucket}/")
    records = [
        json.loads(line)
        for key in cloud.keys(folder)
        for line in cloud.s3.get_object(Bucket=cloud.bucket, Key=key)["Body"].read().splitlines()
    ]
    kinds = {record["sk"].partition("#")[0] for record in records}
    assert kinds >= {"TENANT", "PROJECT", "PERSON", "MODEL", "VERSION", "UPLOAD", "RECORD"}
    assert cloud.item(f"TENANT#{active.tenant}#AUDIT", "RECORD#000000000001"), "the trail stays"
    assert active.request().code == "already_exists"
    assert active.ask("DELETE").json["status"] == "Offboarded"


def test_offboarding_finds_what_deleted_projects_left(
    active: TenantLife, cloud: Cloud, server: RunningServer
) -> None:
    scenario = Scenario(active.call, cloud, tenant=active.tenant)
    scenario.create_project()
    scenario.open_upload()
    assert scenario.call("DELETE", "/projects/vision").status == 204
    active.ask("DELETE")
    assert active.run() == "Offboarded"
    assert traces(cloud, server, active.tenant) == set()


def test_suspension_stops_changes_and_says_what_is_still_held(
    active: TenantLife, cloud: Cloud
) -> None:
    scenario = Scenario(active.call, cloud, tenant=active.tenant)
    scenario.create_project()
    etag = active.ask("GET").etag
    wanted = {"serving": "stop", "reason": "unpaid"}
    stale = active.ask("POST", "/suspend", wanted, headers={"If-Match": '"1"'})
    assert stale.status == 412
    suspended = active.ask("POST", "/suspend", wanted, headers={"If-Match": etag})
    assert (suspended.status, suspended.json["status"]) == (200, "Suspended")
    holds = {each["quota"]: each for each in suspended.json["holds"]}
    assert (holds["projects"]["used"], holds["projects"]["held"]) == (1, True)
    assert holds["pods"]["held"] is False
    assert suspended.json["serving"] == "Stopping"

    event = active.event
    for _ in range(2):  # an event may come twice
        invoke("onboarding/switch_serving", event)
    assert active.ask("GET").json["serving"] == "Stopped"

    assert active.ask("POST", "/activate").json["serving"] == "Resuming"
    invoke("onboarding/switch_serving", active.event)
    resumed = active.ask("GET").json
    assert (resumed["status"], resumed["serving"]) == ("Active", "Running")


def test_upload_to_a_suspended_tenant_is_refused_whichever_way_it_comes(
    active: TenantLife, cloud: Cloud
) -> None:
    scenario = Scenario(active.call, cloud, tenant=active.tenant)
    scenario.create_project()
    active.ask("POST", "/suspend", {"serving": "keep", "reason": "unpaid"})
    key = f"models/{active.tenant}/vision/digits/model.joblib"
    refused = scenario.register(scenario.arrival(key, scenario.put_object(key, b"one")))
    assert refused["state"] == "Rejected"
    [rejected] = scenario.call("GET", "/rejected-uploads").json["items"]
    assert rejected["reason"]["code"] == "TenantNotActive"


def test_changes_need_the_present_state(active: TenantLife) -> None:
    etag = active.ask("GET").etag
    body = {"display_name": "Firm & Sons", "require_mfa": True}
    changed = active.ask("PATCH", "", body, headers={"If-Match": etag})
    assert changed.status == 200, changed.body
    assert changed.json["require_mfa"] is True
    assert active.ask("PATCH", "", body, headers={"If-Match": etag}).status == 412
    assert active.ask("POST", "/revoke-tokens").json["tokens_revoked_before"]


def test_tenants_are_the_platforms_business_alone(active: TenantLife) -> None:
    for role in ("tenant-admin", "developer", "viewer"):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/activate")):
            refused = active.call(method, f"/tenants/{active.tenant}{path}", role=role)
            assert refused.status == 403, refused.body
