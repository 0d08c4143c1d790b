"""The table's stream to the bus, and the commands and triggers around events."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from local.bench.wire import Call, Wire
from tests.functions.api_calls import Answer, Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.container import SetClock
from tests.functions.samples import SCHEMAS, Json, sample, schema
from tests.functions.scenario import Scenario

OUR_SAMPLES = ("model_version_registered", "rollout_requested", "rollout_ended")


@pytest.fixture
def bus(cloud: Cloud, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """An event bus, and the wire to it."""
    name = f"bus-{cloud.table}"
    cloud.clients.events.create_event_bus(Name=name)
    monkeypatch.setenv("EVENT_BUS_NAME", name)
    monkeypatch.setenv("FAILED_RECORDS_BUCKET", cloud.bucket)
    yield wire
    cloud.clients.events.delete_event_bus(Name=name)


def published(wire: Wire) -> list[Json]:
    return [e for c in wire.calls if c.action == "PutEvents" for e in c.body["Entries"]]


def request_tenant(call: Api, tenant: str) -> Answer:
    body = {
        "tenant": tenant,
        "display_name": tenant.capitalize(),
        "administrator": {"name": "ada", "email": f"ada@{tenant}.example"},
    }
    return call("POST", "/tenants", body, tenant=None, role="platform-admin")


def is_valid(detail: Json) -> None:
    Draft202012Validator(schema(detail["metadata"]["type"])).validate(detail)


def test_changes_of_the_table_are_on_the_bus_once_and_in_order(
    call: Api, acme: Scenario, cloud: Cloud, bus: Wire
) -> None:
    acme.upload_version()
    acme.serve(1)
    ticket = acme.open_upload()
    call("DELETE", f"/projects/vision/models/digits/uploads/{ticket['upload']['upload']}")

    assert invoke("events/publish", cloud.stream_records()) == {"batchItemFailures": []}

    entries = published(bus)
    assert [e["DetailType"] for e in entries] == [
        "ProjectCreated",
        "ModelVersionRegistered",
        "RolloutStarted",
        "RolloutEnded",
        "UploadOpened",
        "UploadEnded",
    ]
    assert {e["EventBusName"] for e in entries} == {f"bus-{cloud.table}"}
    for entry in entries:
        detail = json.loads(entry["Detail"])
        assert entry["Source"] == detail["metadata"]["source"]
        assert detail["metadata"]["tenant_id"] == "acme"
        is_valid(detail)


def test_update_without_an_event_of_its_own_publishes_nothing_again(
    call: Api, acme: Scenario, cloud: Cloud, bus: Wire
) -> None:
    """A registration counts in the project's item, which still carries the event of its creation."""
    acme.upload_version()
    records = cloud.stream_records()
    counted = [
        r
        for r in records["Records"]
        if r["dynamodb"]["Keys"]["sk"]["S"] == "PROJECT#vision" and r["eventName"] == "MODIFY"
    ]
    assert counted
    assert counted[0]["dynamodb"]["NewImage"]["event"]

    invoke("events/publish", {"Records": counted})

    assert published(bus) == []


def test_removal_publishes_nothing_and_a_tombstone_does(
    call: Api, acme: Scenario, cloud: Cloud, bus: Wire
) -> None:
    call("DELETE", "/projects/vision")
    cloud.clients.dynamodb.delete_item(
        TableName=cloud.table, Key={"pk": {"S": "TENANT#acme"}, "sk": {"S": "PROJECT#vision"}}
    )

    invoke("events/publish", cloud.stream_records())

    assert [e["DetailType"] for e in published(bus)] == ["ProjectCreated", "ProjectDeleted"]


def test_sample_of_a_stream_is_published(cloud: Cloud, bus: Wire) -> None:
    assert invoke("events/publish", sample("dynamodb_stream")) == {"batchItemFailures": []}

    [entry] = published(bus)
    assert (entry["DetailType"], entry["Source"]) == ("ProjectCreated", "headrace.projects")
    is_valid(json.loads(entry["Detail"]))


def test_entries_that_the_bus_refuses_are_delivered_again(
    call: Api, acme: Scenario, cloud: Cloud, bus: Wire
) -> None:
    for name in ("one", "two"):
        call("POST", "/projects", {"name": name})
    records = cloud.stream_records()
    refused = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
    answer = {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, refused, {"EventId": "3"}]}
    bus.before = lambda made: (200, answer) if made.action == "PutEvents" else None

    failed = invoke("events/publish", records)["batchItemFailures"]

    numbers = [
        r["dynamodb"]["SequenceNumber"]
        for r in records["Records"]
        if r["dynamodb"]["NewImage"].get("event")
    ]
    assert failed == [{"itemIdentifier": numbers[1]}]


def test_events_are_published_by_the_names_that_others_know_them_by_as_well(
    call: Api, cloud: Cloud, bus: Wire
) -> None:
    assert request_tenant(call, "initech").status == 202
    assert invoke("events/publish", cloud.stream_records()) == {"batchItemFailures": []}

    own, known = published(bus)
    assert (own["Source"], own["DetailType"]) == (
        "headrace.onboarding",
        "TenantOnboardingRequested",
    )
    assert (known["Source"], known["DetailType"]) == (
        "controlPlaneEventSource",
        "onboardingRequest",
    )
    detail = json.loads(known["Detail"])
    assert detail["tenantId"] == "initech"
    assert detail["metadata"] == json.loads(own["Detail"])["metadata"]
    assert "@" not in own["Detail"] + known["Detail"], "events tell nothing of persons"


def test_event_is_delivered_again_when_the_bus_refuses_one_of_its_names(
    call: Api, cloud: Cloud, bus: Wire
) -> None:
    for tenant in ("initech", "hooli"):
        request_tenant(call, tenant)
    records = cloud.stream_records()
    refused = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
    taken = [{"EventId": "1"}, {"EventId": "2"}, {"EventId": "3"}, refused]
    answer = {"FailedEntryCount": 1, "Entries": taken}
    bus.before = lambda made: (200, answer) if made.action == "PutEvents" else None

    failed = invoke("events/publish", records)["batchItemFailures"]

    numbers = [
        r["dynamodb"]["SequenceNumber"]
        for r in records["Records"]
        if r["dynamodb"]["NewImage"].get("event")
    ]
    assert failed == [{"itemIdentifier": numbers[1]}]


def test_bus_that_does_not_answer_fails_the_batch(acme: Scenario, cloud: Cloud, bus: Wire) -> None:
    bus.before = lambda made: (500, {}) if made.action == "PutEvents" else None

    with pytest.raises(Exception, match="event bus") as failed:
        invoke("events/publish", cloud.stream_records())

    assert type(failed.value).__name__ == "UnavailableError"


def test_batch_larger_than_a_request_of_the_bus_is_divided(
    call: Api, cloud: Cloud, bus: Wire
) -> None:
    for number in range(12):
        call("POST", "/projects", {"name": f"p{number}"})

    invoke("events/publish", cloud.stream_records())

    sizes = [len(c.body["Entries"]) for c in bus.calls if c.action == "PutEvents"]
    assert sizes == [10, 2]


def test_redrive_publishes_failed_batches_and_keeps_what_fails_again(
    acme: Scenario, cloud: Cloud, bus: Wire
) -> None:
    batch = {"version": "1.0", "payload": json.dumps(cloud.stream_records())}
    for name in ("a", "b"):
        key = f"aws/lambda/mapping/2026/03/02/{name}"
        cloud.s3.put_object(Bucket=cloud.bucket, Key=key, Body=json.dumps(batch))
    refusals = iter([True, False])

    def refuse_first(made: Call) -> tuple[int, Json] | None:
        if made.action == "PutEvents" and next(refusals):
            return 200, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "Throttled"}]}
        return None

    bus.before = refuse_first
    assert invoke("events/redrive", {}) == {"published": 1, "kept": 1}
    bus.before = None

    assert cloud.keys("aws/lambda/") == ["aws/lambda/mapping/2026/03/02/a"]
    assert invoke("events/redrive", {"limit": 5}) == {"published": 1, "kept": 0}
    assert cloud.keys("aws/lambda/") == []


def test_claims_are_the_memberships(cloud: Cloud) -> None:
    event = sample("cognito_pre_token_generation")
    subject = event["request"]["userAttributes"]["sub"]
    cloud.put(
        f"PLATFORM#USER#{subject}",
        "MEMBERSHIP",
        tenant_id="acme",
        roles=["tenant-admin", "developer"],
    )

    answered = invoke("tenancy/issue_claims", event)

    assert answered["response"]["claimsAndScopeOverrideDetails"] == {
        "accessTokenGeneration": {
            "claimsToAddOrOverride": {"tenant_id": "acme", "roles": "tenant-admin developer"}
        }
    }
    assert answered["request"] == event["request"]


def test_claims_do_not_come_from_what_a_user_may_write(cloud: Cloud) -> None:
    event = sample("cognito_pre_token_generation")
    event["request"]["userAttributes"] |= {
        "custom:tenant_id": "globex",
        "roles": "platform-admin",
        "tenant_id": "globex",
    }
    event["request"]["groupConfiguration"]["groupsToOverride"] = ["platform-admin"]

    answered = invoke("tenancy/issue_claims", event)

    claims = answered["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"]
    assert claims == {"claimsToAddOrOverride": {}}


def test_claims_of_a_platform_admin_name_no_tenant(cloud: Cloud) -> None:
    event = sample("cognito_pre_token_generation")
    subject = event["request"]["userAttributes"]["sub"]
    cloud.put(f"PLATFORM#USER#{subject}", "MEMBERSHIP", roles=["platform-admin"])

    answered: Any = invoke("tenancy/issue_claims", event)

    details = answered["response"]["claimsAndScopeOverrideDetails"]["accessTokenGeneration"]
    assert details["claimsToAddOrOverride"] == {"roles": "platform-admin"}


@pytest.mark.parametrize("name", OUR_SAMPLES)
def test_samples_of_our_events_fit_their_schemas(name: str) -> None:
    event = sample(name)

    is_valid(event["detail"])
    assert event["detail-type"] == event["detail"]["metadata"]["type"]
    assert event["source"] == event["detail"]["metadata"]["source"]


def test_schemas_refuse_an_event_without_its_tenant() -> None:
    detail = sample("rollout_ended")["detail"]
    del detail["metadata"]["tenant_id"]

    assert not Draft202012Validator(schema("RolloutEnded")).is_valid(detail)


def test_schemas_are_schemas() -> None:
    paths = list(SCHEMAS.glob("*.json"))
    assert len(paths) >= 12
    for path in paths:
        Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_every_event_of_a_life_fits_its_schema(
    call: Api, acme: Scenario, cloud: Cloud, later: SetClock
) -> None:
    """What the stream held over a project's life, among it what the table's items no longer show."""
    for content in (b"one", b"two"):
        acme.upload_version(content=content)
    acme.serve(1)
    call("POST", "/projects/vision/deployments/digits/rollouts", {"version": 2})
    call("DELETE", "/projects/vision/models/digits/versions/2")
    call("POST", "/projects", {"name": "other"})
    call("DELETE", "/projects/other")
    images = [r["dynamodb"].get("NewImage", {}) for r in cloud.stream_records()["Records"]]

    details = {
        image["event"]["M"]["id"]["S"]: json.loads(image["event"]["M"]["detail"]["S"])
        for image in images
        if "event" in image
    }

    for detail in details.values():
        is_valid(detail)
    assert {d["metadata"]["type"] for d in details.values()} >= {
        "ProjectCreated",
        "ProjectDeleted",
        "ModelVersionRegistered",
        "RolloutStarted",
        "RolloutEnded",
        "RolloutRequested",
    }
