"""Tiers over HTTP: create, look up, change, delete; and the groups that map to them."""

import pytest

from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.tiers import Platform


@pytest.fixture
def platform(call: Api, cloud: Cloud) -> Platform:
    return Platform(call, cloud)


def test_the_standard_tier_is_there_from_the_start(platform: Platform) -> None:
    standard = platform.tier("standard")

    assert standard["limits"]["projects"] == 50
    assert (standard["created_at"], standard["propagation"], standard["tenants"]) == (None, None, 0)
    assert [t["name"] for t in platform.call("GET", "/tiers").json["items"]] == ["standard"]
    again = platform.call("POST", "/tiers", {"name": "standard", "level": 1})
    assert (again.status, again.code) == (409, "already_exists")
    gone = platform.call("DELETE", "/tiers/standard")
    assert (gone.status, gone.code) == (409, "in_use")


def test_the_standard_tier_can_be_changed_like_any_other(platform: Platform) -> None:
    changed = platform.call("PATCH", "/tiers/standard", {"limits": {"projects": 7}}, if_match='"0"')

    assert changed.status == 200, changed.body
    assert changed.etag == '"1"'
    assert platform.tier("standard")["limits"]["projects"] == 7
    assert platform.call("PATCH", "/tiers/standard", {"level": 3}, if_match='"1"').status == 200
    assert len(platform.call("GET", "/tiers").json["items"]) == 1


def test_create_shows_the_defaults_of_what_was_left_out(platform: Platform) -> None:
    created = platform.create_tier("premium", 50, limits={"gpus": 16}, description="More")

    assert created.headers["location"] == "/api/v1/tiers/premium"
    assert created.etag == '"1"'
    assert created.json["limits"]["gpus"] == 16
    assert created.json["limits"]["projects"] == 50
    assert created.json["isolation"] == "shared"
    [event] = platform.cloud.stored_events()
    assert event["metadata"]["tenant_id"] == "platform"
    assert event["metadata"]["type"] == "TierCreated"
    twice = platform.call("POST", "/tiers", {"name": "premium", "level": 1})
    assert (twice.status, twice.code) == (409, "already_exists")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Premium", "level": 1},
        {"name": "premium"},
        {"name": "premium", "level": -1},
        {"name": "premium", "level": 1, "limits": {"gpu": 8}},
        {"name": "premium", "level": 1, "limits": {"gpus": -8}},
        {"name": "premium", "level": 1, "isolation": "private"},
        {"name": "premium", "level": 1, "generation": 4},
    ],
)
def test_a_tier_that_makes_no_sense_is_refused(platform: Platform, body: object) -> None:
    refused = platform.call("POST", "/tiers", body)

    assert (refused.status, refused.code) == (422, "invalid_request")
    assert platform.cloud.stored_events() == []


def test_a_repeated_creation_answers_as_the_first(platform: Platform) -> None:
    body = {"name": "premium", "level": 50}
    first = platform.call("POST", "/tiers", body, idempotency_key="k")
    again = platform.call("POST", "/tiers", body, idempotency_key="k")

    assert (first.status, again.status) == (201, 201)
    assert first.json == again.json
    other = platform.call("POST", "/tiers", body | {"level": 2}, idempotency_key="k")
    assert (other.status, other.code) == (422, "idempotency_key_reused")


def test_lists_go_page_by_page_with_the_standard_tier_in_its_place(platform: Platform) -> None:
    for name in ("alpha", "silver", "tiny", "zeta"):
        platform.create_tier(name)
    for limit in (1, 2, 3, 4, 5, 100):
        names, cursor = [], ""
        while True:
            page = platform.call("GET", f"/tiers?limit={limit}{cursor}").json
            assert len(page["items"]) <= limit
            names += [tier["name"] for tier in page["items"]]
            if not page["next"]:
                break
            cursor = f"&cursor={page['next']}"
        assert names == ["alpha", "silver", "standard", "tiny", "zeta"], limit


def test_a_change_of_what_tenants_may_use_is_a_new_generation(platform: Platform) -> None:
    platform.create_tier("premium", 50)

    described = platform.call("PATCH", "/tiers/premium", {"description": "x", "level": 60})
    assert described.json["propagation"] is None
    assert platform.tier_event("premium")["detail"]["data"]["needs_execution"] is False

    limited = platform.call("PATCH", "/tiers/premium", {"limits": {"gpus": 9}})
    assert limited.json["propagation"]["state"] == "Pending"
    assert limited.json["propagation"]["generation"] == 1
    event = platform.tier_event("premium")["detail"]["data"]
    assert event["needs_execution"] is True
    assert event["changed"] == ["limits.gpus"]
    assert limited.json["limits"]["projects"] == 50
    assert (limited.json["level"], limited.json["description"]) == (60, "x")

    same = platform.call("PATCH", "/tiers/premium", {"limits": {"gpus": 9}})
    assert same.etag == limited.etag


def test_a_change_needs_the_present_state(platform: Platform) -> None:
    platform.create_tier("premium")
    for method, path, body in (
        ("PATCH", "/tiers/premium", {"level": 1}),
        ("DELETE", "/tiers/premium", None),
        ("PUT", "/tiers/premium/groups/gold", None),
    ):
        refused = platform.call(method, path, body, if_match='"7"')
        assert (refused.status, refused.code) == (412, "precondition_failed"), method
    assert platform.call("PATCH", "/tiers/nope", {"level": 1}).status == 404
    assert platform.call("PATCH", "/tiers/premium", {"name": "other"}).status == 422


def test_a_tier_that_somebody_has_cannot_go_or_change_its_isolation(platform: Platform) -> None:
    platform.create_tier("premium")
    platform.add_tenant("umbrella", "premium")
    for group in ("gold", "silver"):
        put = {"tier": "premium"}
        path = f"/subscriptions/{group}"
        assert platform.call("PUT", path, put, x_tenant_id="umbrella").status == 200
    assert platform.call("PUT", "/tiers/premium/groups/bronze").status == 200

    kept = platform.call("DELETE", "/tiers/premium")
    assert (kept.status, kept.code) == (409, "in_use")
    assert "1 tenants, 2 groups of tenants, 1 mapped groups" in kept.json["detail"]
    moved = platform.call("PATCH", "/tiers/premium", {"isolation": "dedicated"})
    assert (moved.status, moved.code) == (409, "in_use")
    assert "one by one" in moved.json["remedy"]

    platform.subscribe("umbrella", "standard")
    assert (
        platform.call("PATCH", "/tiers/premium", {"isolation": "dedicated"}).json["isolation"]
        == "dedicated"
    )
    for group in ("gold", "silver"):
        path = f"/subscriptions/{group}"
        assert platform.call("DELETE", path, x_tenant_id="umbrella").status == 204
    assert platform.call("DELETE", "/tiers/premium/groups/bronze").status == 204
    assert platform.call("DELETE", "/tiers/premium").status == 204
    assert platform.call("GET", "/tiers/premium").status == 404
    assert platform.create_tier("premium").json["groups"] == []
    assert platform.tier("premium")["tenants"] == 0


def test_a_group_maps_to_one_tier(platform: Platform) -> None:
    platform.create_tier("premium")
    platform.create_tier("gold")

    first = platform.call("PUT", "/tiers/premium/groups/scientists")
    again = platform.call("PUT", "/tiers/premium/groups/scientists")

    assert first.json["groups"] == again.json["groups"] == ["scientists"]
    assert first.etag == again.etag == '"2"'
    taken = platform.call("PUT", "/tiers/gold/groups/scientists")
    assert (taken.status, taken.code) == (409, "conflict")
    assert "premium" in taken.json["detail"]
    assert platform.call("DELETE", "/tiers/gold/groups/scientists").status == 404
    assert platform.call("DELETE", "/tiers/premium/groups/scientists").status == 204
    assert platform.call("PUT", "/tiers/gold/groups/scientists").status == 200
    assert platform.call("PUT", "/tiers/gold/groups/tenant").status == 409


def test_a_group_can_map_to_the_standard_tier(platform: Platform) -> None:
    assert platform.call("PUT", "/tiers/standard/groups/everybody").json["groups"] == ["everybody"]
    assert platform.call("GET", "/tiers?group=everybody").json["items"][0]["name"] == "standard"


def test_tiers_are_found_by_groups_the_highest_level_first(platform: Platform) -> None:
    for name, level in (("bronze", 1), ("gold", 90), ("silver", 40)):
        platform.create_tier(name, level)
        platform.call("PUT", f"/tiers/{name}/groups/{name}-people")

    asked = "group=bronze-people&group=gold-people&group=unknown"
    found = platform.call("GET", f"/tiers?{asked}").json

    assert [tier["name"] for tier in found["items"]] == ["gold", "bronze"]
    assert platform.call("GET", "/tiers?group=unknown").json == {"items": [], "next": None}


@pytest.mark.parametrize("role", ["tenant-admin", "developer", "viewer", "service"])
def test_tiers_are_the_platforms_business(platform: Platform, call: Api, role: str) -> None:
    for method, path, body in (
        ("GET", "/tiers", None),
        ("GET", "/tiers/standard", None),
        ("POST", "/tiers", {"name": "mine", "level": 9}),
        ("PATCH", "/tiers/standard", {"level": 9}),
        ("DELETE", "/tiers/standard", None),
        ("PUT", "/tiers/standard/groups/gold", None),
        ("POST", "/tiers/standard/propagation", None),
    ):
        assert call(method, path, body, role=role).status == 403, (method, path)
    assert [item["sk"] for item in platform.cloud.items() if item["pk"] == "PLATFORM"] == []
