"""The overview: a tenant's use against its limits, or every tenant's."""

import pytest

from tests.functions.api_calls import Api, Person
from tests.functions.cloud import Cloud
from tests.functions.scenario import MODEL_BYTES, Scenario
from tests.functions.trail import Trail

ADMIN = Person(tenant=None, role="platform-admin")


def test_a_tenant_sees_its_use_beside_its_limits(acme: Scenario, cloud: Cloud, call: Api) -> None:
    acme.upload_version()

    shown = call("GET", "/overview", role="viewer").json

    assert shown["tenants"] is None
    assert (shown["tenant"]["tenant"], shown["tenant"]["status"]) == ("acme", "Active")
    quotas = {
        quota["quota"]: (quota["used"], quota["limit"]) for quota in shown["tenant"]["quotas"]
    }
    assert quotas["projects"] == (1, 50)
    assert quotas["models"] == (1, 200)
    assert quotas["stored_bytes"][0] == len(MODEL_BYTES)
    assert quotas["deployments"] == (0, 50)


def test_it_shows_the_last_changes_newest_first(
    acme: Scenario, cloud: Cloud, call: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.upload_version()
    Trail.create(cloud, monkeypatch).run()

    changes = call("GET", "/overview").json["recent_changes"]

    assert [change["action"] for change in changes][:2] == [
        "ModelVersionRegistered",
        "ProjectCreated",
    ]
    assert changes[-1]["actor"] == "user:sub-acme-developer"


def test_another_tenants_use_is_not_in_it(acme: Scenario, cloud: Cloud, call: Api) -> None:
    acme.upload_version()

    shown = call("GET", "/overview", tenant="globex").json

    assert shown["tenant"]["tenant"] == "globex"
    assert {quota["used"] for quota in shown["tenant"]["quotas"]} == {0}
    assert "acme" not in str(shown)


def test_a_platform_admin_sees_every_tenant_page_by_page(
    acme: Scenario, cloud: Cloud, call: Api
) -> None:
    for tenant in ("acme", "globex"):
        cloud.put("PLATFORM", f"TENANT#{tenant}", tenant_id=tenant)

    first = call.call_as(ADMIN, "GET", "/overview?limit=1").json["tenants"]
    second = call.call_as(ADMIN, "GET", f"/overview?limit=1&cursor={first['next']}").json["tenants"]

    assert [tenant["tenant"] for tenant in first["items"] + second["items"]] == ["acme", "globex"]
    assert second["next"] is None
    used = {quota["quota"]: quota["used"] for quota in first["items"][0]["quotas"]}
    assert used["projects"] == 1


def test_a_platform_admin_who_names_a_tenant_sees_that_one(call: Api, acme: Scenario) -> None:
    shown = call.call_as(ADMIN, "GET", "/overview", headers={"X-Tenant-Id": "acme"}).json

    assert (shown["tenant"]["tenant"], shown["tenants"]) == ("acme", None)
