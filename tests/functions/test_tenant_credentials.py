"""Which credentials a request's calls to AWS bear: its tenant's, or none at all."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from controlplane.adapters.dynamodb_table import Key
from controlplane.runtime.wiring import tables
from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api, Person
from tests.functions.cloud import ACCESS, TENANT_ROLE_ARN, Cloud
from tests.functions.container import Log, SetClock, forget_wiring
from tests.functions.scenario import Scenario

OWN = ACCESS["AWS_ACCESS_KEY_ID"]
KEY = Key("TENANT#acme", "TENANT")
ROOT = Person(tenant=None, role="platform-admin", subject="root")


@pytest.fixture
def globex(call: Api, cloud: Cloud) -> Scenario:
    scenario = Scenario(call, cloud, tenant="globex")
    scenario.create_project()
    return scenario


def sessions(wire: Wire) -> list[Call]:
    """What STS was asked for on behalf of the table."""
    return [c for c in wire.calls if c.service == "sts" and c.body["RoleArn"] == TENANT_ROLE_ARN]


def test_session_is_tagged_with_the_tenant_and_names_no_person(
    call: Api, acme: Scenario, wire: Wire
) -> None:
    call("GET", "/projects", subject="ada")

    [asked] = sessions(wire)
    assert asked.access_key == OWN
    assert asked.body == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": TENANT_ROLE_ARN,
        "RoleSessionName": "tenant-acme",
        "DurationSeconds": "3600",
        "Tags.member.1.Key": "tenant_id",
        "Tags.member.1.Value": "acme",
    }


def test_warm_container_asks_once_a_tenant_and_signs_with_each_ones_own(
    call: Api, acme: Scenario, globex: Scenario, wire: Wire
) -> None:
    for tenant in ("acme", "globex", "acme", "globex"):
        with wire.recording() as made:
            assert call("GET", "/projects/vision", tenant=tenant).status == 200
        used = {c.access_key for c in made if c.service == "dynamodb"}
        [session] = [c for c in sessions(wire) if c.body["Tags.member.1.Value"] == tenant]
        assert used == {session.issued}
    assert len(sessions(wire)) == 2


def test_sessions_are_renewed_with_time(
    call: Api, acme: Scenario, wire: Wire, later: SetClock
) -> None:
    call("GET", "/projects")
    later(timedelta(minutes=16))
    call("GET", "/projects")

    first, second = sessions(wire)
    assert first.issued != second.issued
    assert wire.calls[-1].access_key == second.issued


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "Throttling", (429, "throttled")),
        (500, "InternalFailure", (503, "unavailable")),
        (503, "ServiceUnavailable", (503, "unavailable")),
        (403, "AccessDenied", (500, "internal_error")),
    ],
)
def test_without_a_session_nothing_is_read(
    call: Api, acme: Scenario, wire: Wire, status: int, code: str, expected: tuple[int, str]
) -> None:
    answer = {"ErrorResponse": f"<Error><Code>{code}</Code></Error>"}
    wire.before = lambda made: (status, answer) if made.service == "sts" else None

    refused = call("GET", "/projects")

    assert (refused.status, refused.code) == expected
    assert "acme" not in refused.body
    assert not [c for c in wire.calls if c.service == "dynamodb"]


def test_sts_is_asked_again_when_it_fails_once(call: Api, acme: Scenario, wire: Wire) -> None:
    faults: Iterator[tuple[int, dict[str, str]] | None] = iter([(500, {}), None])
    wire.before = lambda made: next(faults, None) if made.service == "sts" else None

    assert call("GET", "/projects").status == 200
    assert len(sessions(wire)) == 2


def test_answer_without_credentials_opens_nothing(call: Api, acme: Scenario, wire: Wire) -> None:
    wire.before = lambda made: (200, {"Result": "none"}) if made.service == "sts" else None

    assert call("GET", "/projects").status == 503


def test_access_that_aws_refuses_is_a_fault_of_ours(
    call: Api, acme: Scenario, wire: Wire, log: Log
) -> None:
    refusal = {"__type": "com.amazonaws.dynamodb#AccessDeniedException", "message": "not allowed"}
    wire.before = lambda made: (400, refusal) if made.service == "dynamodb" else None

    refused = call("GET", "/projects")

    assert (refused.status, refused.code) == (500, "internal_error")
    assert "not allowed" not in refused.body
    assert any("AccessDenied" in str(line.get("exception")) for line in log.lines)


def test_table_is_not_read_before_anybody_said_for_whom(cloud: Cloud) -> None:
    forget_wiring()
    tables.forget_tenant()

    with pytest.raises(tables.NoTenantError):
        tables.table().get(KEY)


def test_what_an_earlier_request_said_is_forgotten(call: Api, acme: Scenario, wire: Wire) -> None:
    """A request that fails before its caller is known leaves no tenant behind for the next one's."""
    assert call("GET", "/projects").status == 200
    assert call.call_as(None, "GET", "/projects").status == 401

    with pytest.raises(tables.NoTenantError):
        tables.table().get(KEY)


def test_a_function_without_the_tenants_role_has_its_own(
    cloud: Cloud, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TENANT_ROLE_ARN")
    forget_wiring()
    tables.forget_tenant()

    assert tables.table().get(KEY)
    assert [c.access_key for c in wire.calls] == [OWN]


def test_platform_admin_works_with_the_session_of_the_tenant_it_names(
    call: Api, acme: Scenario, wire: Wire
) -> None:
    header = {"X-Tenant-Id": "acme"}

    assert call.call_as(ROOT, "GET", "/projects/vision", headers=header).status == 200

    [session] = sessions(wire)
    own = [c.body for c in wire.calls if c.service == "dynamodb" and c.access_key == OWN]
    assert [body["Key"]["pk"]["S"] for body in own] == ["PLATFORM"]
    assert {c.access_key for c in wire.calls if c.service == "dynamodb"} == {
        OWN,
        session.issued,
    }


@pytest.mark.parametrize(
    "name",
    ["acme*", "*", "acm?", "acme#PROJECT#vision", "ACME", "acme globex", "a" * 31, "${x}"],
)
def test_platform_admin_opens_no_session_for_what_is_no_name(
    call: Api, acme: Scenario, wire: Wire, name: str
) -> None:
    refused = call.call_as(ROOT, "GET", "/projects/vision", headers={"X-Tenant-Id": name})

    assert refused.status == 403
    assert sessions(wire) == []
