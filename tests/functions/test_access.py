"""Who may call: roles, tenants that are suspended or unknown, and tokens that were revoked."""

from types import SimpleNamespace

import pytest

from controlplane.runtime import access_cache
from tests.functions.api_calls import ISSUED_AT, Api, Person, operations
from tests.functions.cloud import Cloud
from tests.functions.container import Log, forget_wiring
from tests.functions.examples import body_of, path_of
from tests.functions.samples import Json
from tests.functions.scenario import Scenario

CLOSED = [operation for operation in operations() if not operation.is_open]
# No POST, by what it does: what a rollout would be is asked by whoever may read the deployment.
READING = "planRollout"
CHANGING = [o for o in CLOSED if o.method != "GET" and o.id != READING]


def without_denials(cloud: Cloud) -> list[Json]:
    """The table's items but for the record of the refusals themselves."""
    return [item for item in cloud.items() if not item["sk"].startswith("DENIAL#")]


def test_operations_are_closed_unless_the_document_opens_them(call: Api) -> None:
    assert len(CLOSED) > 15
    for operation in CLOSED:
        answer = call.call_as(None, operation.method, path_of(operation), body_of(operation))
        assert (answer.status, answer.code) == (401, "unauthenticated"), operation.name


@pytest.mark.parametrize("role", ["viewer", "", "unheard-of"])
def test_who_may_only_read_changes_nothing(call: Api, cloud: Cloud, role: str) -> None:
    before = cloud.items()
    assert len(CHANGING) >= 8
    for operation in CHANGING:
        refused = call(operation.method, path_of(operation), body_of(operation), role=role)
        assert (refused.status, refused.code) == (403, "policy_denied"), operation.name
        assert refused.json["reason"] in ("not_permitted", "other_tenant")
        assert operation.id in refused.json["detail"]
        assert refused.json["remedy"]
        assert "policies" not in refused.json
    assert without_denials(cloud) == before


def test_who_may_only_read_asks_what_a_rollout_would_do(call: Api, acme: Scenario) -> None:
    acme.upload_version()
    acme.serve(1)
    [operation] = [operation for operation in CLOSED if operation.id == READING]
    path, body = path_of(operation), body_of(operation)

    assert call(operation.method, path, body, role="viewer").status == 200
    refused = call(operation.method, path, body, role="")
    assert (refused.status, refused.code) == (403, "policy_denied")


@pytest.mark.parametrize("role", ["tenant-admin", "developer", "service", "viewer developer"])
def test_who_may_change_does(call: Api, cloud: Cloud, role: str) -> None:
    assert call("POST", "/projects", {"name": "vision"}, role=role).status == 201


def test_viewer_reads(call: Api, acme: Scenario) -> None:
    assert call("GET", "/projects/vision", role="viewer").status == 200
    assert call("GET", "/projects/vision", role="").status == 403


def test_user_without_a_tenant_is_forbidden(call: Api, cloud: Cloud) -> None:
    refused = call("GET", "/projects", tenant=None)

    assert (refused.status, refused.code) == (403, "forbidden")


def test_token_of_a_tenant_that_is_not_there_is_forbidden(call: Api, cloud: Cloud) -> None:
    refused = call("GET", "/projects", tenant="nobody")

    assert (refused.status, refused.code) == (403, "forbidden")


def test_suspended_tenant_is_read_and_not_changed(call: Api, cloud: Cloud, acme: Scenario) -> None:
    cloud.add_tenant("acme", status="Suspended")
    forget_wiring()

    refused = call("POST", "/projects", {"name": "another"})

    assert (refused.status, refused.code) == (403, "policy_denied")
    assert refused.json["reason"] == "tenant_not_active"
    assert "activate" in refused.json["remedy"]
    assert call("GET", "/projects/vision").status == 200
    assert call("DELETE", "/projects/vision").status == 403
    assert call("GET", "/me").json["tenant"]["status"] == "Suspended"


def test_token_issued_before_the_tenants_revocation_is_refused(call: Api, cloud: Cloud) -> None:
    cloud.add_tenant("acme", revoked_before=ISSUED_AT)

    assert call("GET", "/projects").status == 200
    refused = call("GET", "/projects", issued_at=ISSUED_AT - 1)

    assert (refused.status, refused.code) == (401, "unauthenticated")
    assert refused.json["remedy"] == "Sign in again."


def test_token_issued_before_the_principals_revocation_is_refused(call: Api, cloud: Cloud) -> None:
    cloud.put("TENANT#acme", "PRINCIPAL#leaver", revoked_before=ISSUED_AT + 1)

    assert call("GET", "/projects", subject="leaver").status == 401
    assert call("GET", "/projects", subject="stayer").status == 200


def test_revocation_is_effective_within_seconds_in_a_warm_container(
    call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(access_cache, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    assert call("GET", "/projects").status == 200
    cloud.add_tenant("acme", revoked_before=ISSUED_AT + 1)

    clock[0] += access_cache.LIFETIME_SECONDS - 0.1
    assert call("GET", "/projects").status == 200
    clock[0] += 0.2
    assert clock[0] < 1000.0 + 5  # what is promised

    assert call("GET", "/projects").status == 401


def test_platform_admin_works_on_the_tenant_it_names_and_that_is_logged(
    call: Api, acme: Scenario, log: Log
) -> None:
    admin = Person(tenant=None, role="platform-admin", subject="root")

    nowhere = call.call_as(admin, "GET", "/projects")
    named = call.call_as(admin, "GET", "/projects/vision", headers={"X-Tenant-Id": "acme"})

    assert (nowhere.status, nowhere.code) == (403, "forbidden")
    assert "X-Tenant-Id" in nowhere.json["detail"]
    assert named.status == 200
    [line] = [line for line in log.lines if "platform administrator" in line["message"]]
    assert (line["tenant_id"], line["sub"]) == ("acme", "root")


def test_platform_admin_outlives_its_tenants_revocation_but_not_its_own(
    call: Api, cloud: Cloud
) -> None:
    admin = Person(tenant=None, role="platform-admin", subject="root")
    header = {"X-Tenant-Id": "acme"}
    cloud.add_tenant("acme", revoked_before=ISSUED_AT + 1)
    assert call.call_as(admin, "GET", "/projects", headers=header).status == 200

    cloud.put("PLATFORM", "PRINCIPAL#root", revoked_before=ISSUED_AT + 1)
    forget_wiring()

    assert call.call_as(admin, "GET", "/projects", headers=header).status == 401


def test_suspended_tenant_cannot_be_changed_by_a_platform_admin_either(
    call: Api, cloud: Cloud
) -> None:
    cloud.add_tenant("acme", status="Suspended")
    admin = Person(tenant=None, role="platform-admin")

    refused = call.call_as(
        admin, "POST", "/projects", {"name": "vision"}, headers={"X-Tenant-Id": "acme"}
    )

    assert refused.status == 403
