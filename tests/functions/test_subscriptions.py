"""Who has a right to which tier, what follows for the tenant, and how that is explained."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.samples import Json
from tests.functions.tiers import Platform


@pytest.fixture
def platform(call: Api, cloud: Cloud) -> Platform:
    made = Platform(call, cloud)
    made.create_tier("premium", 50, limits={"gpus": 16, "requests": rate(90_000)})
    made.add_tenant("umbrella")
    return made


def rate(limit: int) -> Json:
    return {"limit": limit, "window_seconds": 60}


def limits(call: Api, query: str = "", **options: Any) -> Json:
    answer = call("GET", f"/limits{query}", **({"tenant": "umbrella", "role": "viewer"} | options))
    assert answer.status == 200, answer.body
    found: Json = answer.json
    return found


def test_a_subscription_changes_the_tenant_and_all_that_points_at_it(platform: Platform) -> None:
    put = platform.subscribe("umbrella", "premium", overrides={"projects": 3})

    assert put.etag == '"2"'
    assert put.json["cluster"] == "Pending"
    assert put.json["overrides"] == {"projects": 3}
    tenant = platform.tenant("umbrella")
    assert (tenant["tier"], tenant["isolation"]) == ("premium", "shared")
    assert (tenant["limits"]["gpus"], tenant["limits"]["projects"]) == (16, 3)
    assert tenant["limits_from"]["gpus"] == {"kind": "subscription", "tier": "premium"}
    assert tenant["limits_from"]["projects"] == {"kind": "override"}
    assert tenant["version"] == 3
    assert "event" not in tenant
    assert platform.cloud.item("PLATFORM", "TENANT#umbrella")["tier"] == "premium"
    assert platform.cloud.item("PLATFORM", "SUBSCRIBER#premium#umbrella")["tenant_id"] == "umbrella"
    assert "deleted_at" in platform.cloud.item("PLATFORM", "SUBSCRIBER#standard#umbrella")
    assert (platform.tier("premium")["tenants"], platform.tier("standard")["tenants"]) == (1, 0)
    event = platform.stored_event("TENANT#umbrella", "SUBSCRIPTION#tenant")
    assert event["detail-type"] == "SubscriptionChanged"
    assert event["detail"]["data"] == {
        "subscriber": "tenant",
        "tier": "premium",
        "previous_tier": "standard",
        "overrides": ["projects"],
        "needs_execution": True,
    }


def test_me_shows_the_tier_and_the_limits_at_once(platform: Platform, call: Api) -> None:
    platform.subscribe("umbrella", "premium")

    shown = call("GET", "/me", tenant="umbrella", subject="somebody-new").json["tenant"]

    assert (shown["tier"], shown["limits"]["gpus"]) == ("premium", 16)


def test_going_back_and_forth_keeps_count(platform: Platform) -> None:
    for tier in ("premium", "standard", "premium", "premium", "standard"):
        platform.subscribe("umbrella", tier)

    assert (platform.tier("premium")["tenants"], platform.tier("standard")["tenants"]) == (0, 1)


def test_a_tier_of_another_isolation_moves_the_tenant(platform: Platform) -> None:
    platform.create_tier("private", isolation="dedicated")

    platform.subscribe("umbrella", "private")

    assert platform.tenant("umbrella")["isolation"] == "dedicated"


def test_a_subscription_needs_what_it_names(platform: Platform) -> None:
    def put(subscriber: str, body: Any, **headers: str) -> tuple[int, str]:
        path = f"/subscriptions/{subscriber}"
        answer = platform.call("PUT", path, body, x_tenant_id="umbrella", **headers)
        return answer.status, answer.code

    before = platform.cloud.item("TENANT#umbrella", "SUBSCRIPTION#tenant")
    assert put("tenant", {"tier": "nope"}) == (404, "not_found")
    assert put("tenant", {"tier": "premium"}, if_match='"9"') == (412, "precondition_failed")
    assert put("gold", {"tier": "premium"}, if_match='"1"') == (412, "precondition_failed")
    assert put("gold", {"tier": "premium", "overrides": {"gpus": 1}}) == (422, "invalid_request")
    assert put("tenant", {"tier": "premium", "overrides": {"gpu": 1}}) == (422, "invalid_request")
    assert put("tenant", {"overrides": {"gpus": 1}}) == (422, "invalid_request")
    assert platform.cloud.item("TENANT#umbrella", "SUBSCRIPTION#tenant") == before


def test_the_tenants_own_subscription_stays(platform: Platform) -> None:
    kept = platform.call("DELETE", "/subscriptions/tenant", x_tenant_id="umbrella")

    assert (kept.status, kept.code) == (409, "conflict")
    gone = platform.call("DELETE", "/subscriptions/gold", x_tenant_id="umbrella")
    assert (gone.status, gone.code) == (404, "not_found")


def test_people_of_the_tenant_read_and_change_nothing(platform: Platform, call: Api) -> None:
    path, body = "/subscriptions/gold", {"tier": "premium"}
    assert platform.call("PUT", path, body, x_tenant_id="umbrella").status == 200

    admin: Any = {"tenant": "umbrella", "role": "tenant-admin"}
    listed = call("GET", "/subscriptions", **admin).json["items"]
    assert [(s["subscriber"], s["tier"]) for s in listed] == [
        ("gold", "premium"),
        ("tenant", "standard"),
    ]
    for role in ("tenant-admin", "developer", "viewer"):
        for subscriber in ("tenant", "gold"):
            for method in ("PUT", "DELETE"):
                refused = call(
                    method,
                    f"/subscriptions/{subscriber}",
                    body if method == "PUT" else None,
                    tenant="umbrella",
                    role=role,
                )
                assert refused.status == 403, (role, method)
    assert call("GET", "/subscriptions", tenant="globex", role="tenant-admin").json["items"] == []


def test_limits_name_the_rule_that_gives_each(platform: Platform, call: Api) -> None:
    platform.subscribe("umbrella", "premium", overrides={"projects": 3})

    shown = limits(call)

    assert shown["pending"] is False
    assert shown["limits"]["gpus"]["value"] == 16
    assert shown["limits"]["gpus"]["rule"] == {
        "kind": "subscription",
        "tier": "premium",
        "group": None,
    }
    projects = shown["limits"]["projects"]
    assert (projects["value"], projects["rule"]["kind"]) == (3, "override")
    assert [(c["rule"]["tier"], c["value"]) for c in projects["considered"]] == [("premium", 50)]
    assert shown["limits"]["requests"]["per_caller"]


def test_a_group_has_its_own_rates_and_no_more_of_what_is_shared(
    platform: Platform, call: Api
) -> None:
    platform.create_tier("gold", 90, limits={"gpus": 99, "requests": rate(500_000)})
    platform.call("PUT", "/tiers/gold/groups/scientists")
    path = "/subscriptions/students"
    assert platform.call("PUT", path, {"tier": "premium"}, x_tenant_id="umbrella").status == 200

    nobody = limits(call)["limits"]
    scientist = limits(call, "?group=scientists")["limits"]
    both = limits(call, "?group=students&group=scientists")["limits"]
    student = limits(call, "?group=students&group=unknown")["limits"]

    assert nobody["requests"]["value"]["limit"] == 10_000
    assert scientist["requests"]["value"]["limit"] == 500_000
    assert scientist["requests"]["rule"] == {
        "kind": "group-mapping",
        "tier": "gold",
        "group": "scientists",
    }
    assert both["requests"]["value"]["limit"] == 500_000
    assert [c["rule"]["kind"] for c in both["requests"]["considered"]] == [
        "group-subscription",
        "subscription",
    ]
    assert student["requests"]["rule"]["kind"] == "group-subscription"
    assert student["requests"]["value"]["limit"] == 90_000
    for shown in (nobody, scientist, both, student):
        assert shown["gpus"]["value"] == 4


def test_limits_say_when_a_change_is_still_on_its_way(platform: Platform, call: Api) -> None:
    platform.call("PATCH", "/tiers/standard", {"limits": {"gpus": 1}})

    shown = limits(call)

    assert (shown["limits"]["gpus"]["value"], shown["pending"]) == (1, True)


def test_a_tenant_without_a_subscription_has_the_standard_tier(
    platform: Platform, call: Api
) -> None:
    shown = limits(call, tenant="acme")["limits"]

    assert shown["gpus"]["rule"] == {"kind": "default", "tier": "standard", "group": None}


def test_a_tier_that_changes_while_somebody_subscribes_is_read_again(
    platform: Platform, wire: Wire
) -> None:
    """Otherwise the propagation would miss a tenant that took the old limits a moment later."""
    _meanwhile(
        wire, lambda: platform.call("PATCH", "/tiers/premium", {"limits": {"gpus": 1}}), "gpus"
    )

    refused = platform.call(
        "PUT", "/subscriptions/tenant", {"tier": "premium"}, x_tenant_id="umbrella"
    )

    assert (refused.status, refused.code) == (409, "concurrent_change")
    assert platform.tenant("umbrella")["tier"] == "standard"
    platform.subscribe("umbrella", "premium")
    assert platform.tenant("umbrella")["limits"]["gpus"] == 1


def test_a_tier_that_somebody_takes_while_it_is_deleted_stays(
    platform: Platform, wire: Wire
) -> None:
    _meanwhile(wire, lambda: platform.subscribe("umbrella", "premium"), "deleted_at")

    refused = platform.call("DELETE", "/tiers/premium")

    assert (refused.status, refused.code) == (409, "concurrent_change")
    assert platform.tier("premium")["tenants"] == 1
    assert platform.call("DELETE", "/tiers/premium").code == "in_use"


def test_a_tier_that_somebody_takes_while_it_changes_its_isolation_keeps_it(
    platform: Platform, wire: Wire
) -> None:
    _meanwhile(wire, lambda: platform.subscribe("umbrella", "premium"), "dedicated")

    refused = platform.call("PATCH", "/tiers/premium", {"isolation": "dedicated"})

    assert (refused.status, refused.code) == (409, "concurrent_change")
    assert platform.tier("premium")["isolation"] == "shared"


def test_of_two_tiers_that_are_given_a_group_at_once_one_gets_it(
    platform: Platform, wire: Wire
) -> None:
    path = "/tiers/{}/groups/gold"
    _meanwhile(wire, lambda: platform.call("PUT", path.format("standard")), "GROUP#gold")

    refused = platform.call("PUT", path.format("premium"))

    assert (refused.status, refused.code) == (409, "concurrent_change")
    assert platform.tier("standard")["groups"] == ["gold"]
    assert platform.tier("premium")["groups"] == []


def _meanwhile(wire: Wire, work: Callable[[], object], word: str) -> None:
    """Do the work once, just before a transaction in which the word stands."""
    pending = [True]

    def before(call: Call) -> None:
        if pending and call.name == "TransactWriteItems" and word in json.dumps(call.body):
            pending.clear()
            work()

    wire.before = before
