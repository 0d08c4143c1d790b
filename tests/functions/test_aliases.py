"""Aliases over HTTP, and the champion that follows promotions."""

import json
from typing import Any

import pytest

from controlplane.errors import ConcurrentChangeError
from local.bench.wire import Call, Wire
from tests.functions.api_calls import Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.samples import Json, sample
from tests.functions.scenario import Scenario

MODEL = "/projects/vision/models/digits"
ALIASES = f"{MODEL}/aliases"


def versions(acme: Scenario, count: int) -> None:
    for number in range(count):
        acme.upload_version(content=str(number).encode())


def named(call: Api) -> dict[str, int]:
    return {at["alias"]: at["version"] for at in call("GET", ALIASES).json["aliases"]}


def marks(call: Api) -> dict[int, list[str]]:
    listed = call("GET", f"{MODEL}/versions").json["items"]
    return {version["version"]: version["aliases"] for version in listed}


def history(call: Api, alias: str) -> list[tuple[int | None, int | None]]:
    """Version and previous one, the newest first."""
    found = call("GET", f"{ALIASES}/{alias}/history").json["items"]
    return [(moved["version"], moved["previous"]) for moved in found]


class TestMoving:
    def test_alias_names_a_version_and_moves(self, call: Api, acme: Scenario) -> None:
        versions(acme, 2)

        made = call("PUT", f"{ALIASES}/staging", {"version": 1}, subject="ada")
        moved = call("PUT", f"{ALIASES}/staging", {"version": 2})

        assert (made.json["version"], made.json["moved_by"]) == (1, "ada")
        found = call("GET", f"{ALIASES}/staging")
        assert (found.json, found.etag) == (moved.json, moved.etag)
        assert marks(call) == {1: [], 2: ["staging"]}
        assert history(call, "staging") == [(2, 1), (1, None)]

    def test_several_move_at_once(self, call: Api, acme: Scenario) -> None:
        versions(acme, 3)
        call("POST", ALIASES, {"aliases": {"champion": 2, "previous": 1, "staging": 2}})

        moved = call("POST", ALIASES, {"aliases": {"champion": 3, "previous": 2}})

        assert moved.status == 200
        assert named(call) == {"champion": 3, "previous": 2, "staging": 2}
        assert marks(call) == {1: [], 2: ["previous", "staging"], 3: ["champion"]}
        assert history(call, "previous") == [(2, 1), (1, None)]
        assert history(call, "staging") == [(2, None)]

    def test_all_or_none_move(self, call: Api, acme: Scenario) -> None:
        versions(acme, 2)
        call("POST", ALIASES, {"aliases": {"champion": 1}})
        before = call("GET", ALIASES)

        refused = call("POST", ALIASES, {"aliases": {"champion": 2, "previous": 9}})

        assert (refused.status, refused.code) == (404, "not_found")
        after = call("GET", ALIASES)
        assert (after.json, after.etag) == (before.json, before.etag)
        assert marks(call) == {1: ["champion"], 2: []}
        assert call("GET", f"{ALIASES}/previous/history").status == 404

    def test_moving_to_where_it_is_changes_nothing(self, call: Api, acme: Scenario) -> None:
        versions(acme, 1)
        first = call("PUT", f"{ALIASES}/staging", {"version": 1})

        again = call("PUT", f"{ALIASES}/staging", {"version": 1}, subject="somebody-else")

        assert (again.json, again.etag) == (first.json, first.etag)
        assert history(call, "staging") == [(1, None)]

    def test_deleted_alias_names_nothing_and_its_history_stays(
        self, call: Api, acme: Scenario
    ) -> None:
        versions(acme, 1)
        call("PUT", f"{ALIASES}/staging", {"version": 1})

        assert call("DELETE", f"{ALIASES}/staging").status == 204

        assert call("GET", f"{ALIASES}/staging").status == 404
        assert call("DELETE", f"{ALIASES}/staging").status == 404
        assert (named(call), marks(call)) == ({}, {1: []})
        assert history(call, "staging") == [(None, 1), (1, None)]
        assert call("DELETE", f"{MODEL}/versions/1").status == 204

    def test_version_that_an_alias_names_cannot_be_deleted(self, call: Api, acme: Scenario) -> None:
        versions(acme, 1)
        call("PUT", f"{ALIASES}/staging", {"version": 1})

        refused = call("DELETE", f"{MODEL}/versions/1")

        assert (refused.status, refused.code) == (409, "in_use")
        assert "staging" in refused.json["detail"]
        assert refused.json["remedy"]

    def test_version_that_is_named_while_it_is_deleted_stays(
        self, call: Api, acme: Scenario, wire: Wire
    ) -> None:
        versions(acme, 1)

        def name_it(made: Call) -> None:
            if made.action == "TransactWriteItems":
                wire.before = None
                assert call("PUT", f"{ALIASES}/staging", {"version": 1}).status == 200

        wire.before = name_it
        refused = call("DELETE", f"{MODEL}/versions/1")

        assert (refused.status, refused.code) == (409, "in_use")
        assert marks(call) == {1: ["staging"]}

    def test_version_that_is_deleted_while_it_is_named_gets_no_name(
        self, call: Api, acme: Scenario, wire: Wire
    ) -> None:
        versions(acme, 2)

        def delete_it(made: Call) -> None:
            if made.action == "TransactWriteItems":
                wire.before = None
                assert call("DELETE", f"{MODEL}/versions/1").status == 204

        wire.before = delete_it
        refused = call("PUT", f"{ALIASES}/staging", {"version": 1})

        assert refused.status == 404
        assert named(call) == {}

    def test_latest_is_computed(self, call: Api, acme: Scenario) -> None:
        assert call("GET", f"{ALIASES}/latest").status == 404
        versions(acme, 2)
        assert call("GET", f"{ALIASES}/latest").json["version"] == 2
        call("DELETE", f"{MODEL}/versions/2")
        assert call("GET", f"{ALIASES}/latest").json["version"] == 1

        assert call("PUT", f"{ALIASES}/latest", {"version": 1}).status == 422
        assert call("POST", ALIASES, {"aliases": {"latest": 1}}).status == 422
        assert call("DELETE", f"{ALIASES}/latest").status == 422

    def test_rollouts_of_latest_are_of_the_newest_version_that_is_there(
        self, call: Api, acme: Scenario
    ) -> None:
        versions(acme, 3)
        for number in (2, 3):
            assert call("DELETE", f"{MODEL}/versions/{number}").status == 204
        deployment = {"name": "digits", "model": "digits"}
        assert call("POST", "/projects/vision/deployments", deployment).status == 201

        path = "/projects/vision/deployments/digits/rollouts"
        opened = call("POST", path, {"alias": "latest"})

        assert opened.status == 202, opened.body
        assert opened.json["version"] == 1
        call("DELETE", f"{MODEL}/versions/1")
        none = call("POST", "/projects/vision/deployments/digits/rollouts", {"alias": "absent"})
        assert none.status == 404

    def test_champion_that_is_confirmed_is_not_moved(
        self, call: Api, acme: Scenario, cloud: Cloud
    ) -> None:
        versions(acme, 1)
        first = call("PUT", f"{ALIASES}/champion", {"version": 1}, subject="ada")

        for _ in range(3):
            again = call("PUT", f"{ALIASES}/champion", {"version": 1}, subject="eve")
            assert (again.status, again.json) == (200, first.json)

        assert history(call, "champion") == [(1, None)]
        assert "event" not in cloud.item(acme.partition, "ALIASES#digits")

    def test_names_are_names(self, call: Api, acme: Scenario) -> None:
        versions(acme, 1)

        for name in ("A", "a--b", "a" * 21, "1a"):
            assert call("PUT", f"{ALIASES}/{name}", {"version": 1}).status == 422
            assert call("POST", ALIASES, {"aliases": {name: 1}}).status == 422

    def test_model_has_at_most_twenty_and_a_champion(self, call: Api, acme: Scenario) -> None:
        versions(acme, 1)
        assert call("POST", ALIASES, {"aliases": {f"a{n}": 1 for n in range(20)}}).status == 200

        refused = call("PUT", f"{ALIASES}/one-more", {"version": 1})

        assert (refused.status, refused.code) == (422, "limit_exceeded")
        assert call("PUT", f"{ALIASES}/champion", {"version": 1}).status == 200

    def test_change_of_what_has_changed_is_refused(self, call: Api, acme: Scenario) -> None:
        versions(acme, 2)
        stale = {"If-Match": call("PUT", f"{ALIASES}/staging", {"version": 1}).etag}
        call("PUT", f"{ALIASES}/other", {"version": 1})

        for method, path, body in (
            ("PUT", f"{ALIASES}/staging", {"version": 2}),
            ("POST", ALIASES, {"aliases": {"staging": 2}}),
            ("DELETE", f"{ALIASES}/staging", None),
        ):
            refused = call(method, path, body, headers=stale)
            assert (refused.status, refused.code) == (412, "precondition_failed")

    @pytest.mark.usefixtures("acme")
    def test_model_that_is_not_there(self, call: Api) -> None:
        assert call("GET", ALIASES).status == 404
        assert call("GET", f"{ALIASES}/staging").status == 404
        assert call("PUT", f"{ALIASES}/staging", {"version": 1}).status == 404
        never = call("GET", "/projects/vision/models/none/aliases/x/history")
        assert (never.status, never.code) == (404, "not_found")

    def test_history_has_pages(self, call: Api, acme: Scenario) -> None:
        versions(acme, 2)
        for number in (1, 2, 1):
            call("PUT", f"{ALIASES}/staging", {"version": number})

        first = call("GET", f"{ALIASES}/staging/history?limit=2").json
        rest = call("GET", f"{ALIASES}/staging/history?limit=2&cursor={first['next']}").json

        assert [m["version"] for m in first["items"] + rest["items"]] == [1, 2, 1]
        assert rest["next"] is None

    @pytest.mark.parametrize("change", ["moved", "measured"])
    def test_champions_metrics_are_those_of_the_champion_whoever_comes_first(
        self, call: Api, acme: Scenario, wire: Wire, change: str
    ) -> None:
        """One moves the champion, another adds evidence to it, and the other's write comes in between."""
        versions(acme, 2)
        calls: dict[str, tuple[str, str, Json]] = {
            "moved": ("PUT", f"{ALIASES}/champion", {"version": 2}),
            "measured": ("PATCH", f"{MODEL}/versions/1", {"metrics": {"accuracy": 0.9}}),
        }
        if change == "measured":
            call("PUT", f"{ALIASES}/champion", {"version": 1})
            between = calls["moved"]
        else:
            calls["moved"] = ("PUT", f"{ALIASES}/champion", {"version": 1})
            between = calls["measured"]

        def interfere(made: Call) -> None:
            if made.action == "TransactWriteItems":
                wire.before = None
                assert call(*between).status == 200

        wire.before = interfere
        refused = call(*calls[change])

        assert (refused.status, refused.code) == (409, "concurrent_change")
        stored = acme.cloud.item(acme.partition, "ALIASES#digits")
        named = stored.get("named", {}).get("champion", {}).get("model_version")
        assert named == (2 if change == "measured" else None)
        assert stored.get("champion_metrics", {}) == {}

    def test_one_event_tells_of_all_moves(self, call: Api, acme: Scenario, cloud: Cloud) -> None:
        versions(acme, 2)
        call("POST", ALIASES, {"aliases": {"champion": 2, "previous": 1}}, subject="ada")

        event = cloud.item(acme.partition, "ALIASES#digits")["event"]

        assert event["detail_type"] == "AliasesMoved"
        data = json.loads(event["detail"])["data"]
        assert data["moved_by"] == "ada"
        assert {m["alias"]: m["model_version"] for m in data["moves"]} == {
            "champion": 2,
            "previous": 1,
        }


GATED = {"gates": [{"gate": "not_worse_than_champion", "metric": "accuracy"}]}


class TestChampionThatAGateAsksFor:
    """Whoever decides what versions are compared with decides what the project's policy asks of them."""

    @pytest.fixture(autouse=True)
    def gated(self, call: Api, acme: Scenario) -> None:
        for accuracy in (0.9, 0.1):
            acme.upload_with({"metrics": {"accuracy": accuracy}}, content=str(accuracy).encode())
        call("PUT", "/projects/vision/registry-policy", GATED, role="tenant-admin")
        assert call("PUT", f"{ALIASES}/champion", {"version": 1}, role="tenant-admin").status == 200

    def cleared(self, call: Api) -> bool:
        return bool(call("GET", f"{MODEL}/versions/2/clearance").json["cleared"])

    def test_developer_neither_moves_nor_deletes_it(self, call: Api) -> None:
        assert not self.cleared(call)

        for refused in (
            call("DELETE", f"{ALIASES}/champion"),
            call("PUT", f"{ALIASES}/champion", {"version": 2}),
            call("POST", ALIASES, {"aliases": {"staging": 2, "champion": 2}}),
        ):
            assert (refused.status, refused.code) == (403, "policy_denied")
            assert "registry policy" in refused.json["detail"]
            assert refused.json["remedy"]

        assert named(call) == {"champion": 1}
        assert not self.cleared(call)

    def test_other_aliases_are_theirs(self, call: Api) -> None:
        assert call("PUT", f"{ALIASES}/staging", {"version": 2}).status == 200
        assert call("DELETE", f"{ALIASES}/staging").status == 204

    def test_who_may_change_the_policy_decides(self, call: Api) -> None:
        moved = call("PUT", f"{ALIASES}/champion", {"version": 2}, role="tenant-admin")
        assert moved.status == 200
        assert call("DELETE", f"{ALIASES}/champion", role="tenant-admin").status == 204

    def test_policy_of_the_tenants_own_that_forbids_the_one_forbids_the_other(
        self, call: Api
    ) -> None:
        text = 'forbid (principal, action == Action::"putRegistryPolicy", resource);'
        policy = {"name": "frozen", "text": text}
        assert call("POST", "/policies", policy, role="tenant-admin").status == 201

        # Somebody whose rights the container does not remember.
        refused = call("DELETE", f"{ALIASES}/champion", role="tenant-admin", subject="eve")

        assert (refused.status, refused.json["reason"]) == (403, "restricted_by_tenant")

    def test_promotions_move_it(self, call: Api) -> None:
        promote(2, 1)

        assert named(call) == {"champion": 2}

    def test_without_the_gate_it_is_an_alias_like_any_other(self, call: Api) -> None:
        call("PUT", "/projects/vision/registry-policy", {}, role="tenant-admin")

        assert call("DELETE", f"{ALIASES}/champion").status == 204


def promotion(number: int, minute: int, rollout: str = "r-0000000a", **data: Any) -> Json:
    """The event of a rollout that was promoted at that minute."""
    event = sample("rollout_ended")
    event["detail"]["metadata"]["time"] = f"2099-03-02T09:{minute:02}:08.731Z"
    event["detail"]["data"] |= {
        "state": "Promoted",
        "reason": None,
        "model_version": number,
        "rollout_id": rollout,
    } | data
    return event


def promote(*given: Any, **more: Any) -> None:
    invoke("registry/follow_promotion", promotion(*given, **more))


class TestPromotion:
    def test_champion_follows(self, call: Api, acme: Scenario) -> None:
        versions(acme, 2)

        promote(1, 1)
        promote(2, 2, "r-0000000b")

        found = call("GET", f"{ALIASES}/champion").json
        assert (found["version"], found["moved_by"]) == (2, "r-0000000b")
        assert history(call, "champion") == [(2, 1), (1, None)]
        assert marks(call) == {1: [], 2: ["champion"]}

    def test_repeat_changes_nothing(self, call: Api, acme: Scenario) -> None:
        versions(acme, 2)
        promote(1, 1)
        before = call("GET", ALIASES)

        promote(1, 1)

        assert call("GET", ALIASES).etag == before.etag
        assert history(call, "champion") == [(1, None)]

    def test_promotion_that_comes_late_moves_nothing_back(self, call: Api, acme: Scenario) -> None:
        versions(acme, 2)
        promote(2, 2, "r-0000000b")

        promote(1, 1)
        promote(2, 2, "r-0000000b")

        assert named(call) == {"champion": 2}

    def test_promotion_of_the_same_version_is_a_later_decision(
        self, call: Api, acme: Scenario
    ) -> None:
        versions(acme, 2)
        promote(2, 1)
        promote(2, 3, "r-0000000c")

        promote(1, 2, "r-0000000b")

        assert named(call) == {"champion": 2}

    def test_moment_that_two_share_gives_one_answer(self, call: Api, acme: Scenario) -> None:
        versions(acme, 2)
        promote(2, 1, "r-0000000b")
        promote(1, 1, "r-0000000a")

        assert named(call) == {"champion": 2}

    @pytest.mark.parametrize("decision", ["moved", "deleted", "confirmed"])
    def test_what_people_decided_later_stays(
        self, call: Api, acme: Scenario, decision: str
    ) -> None:
        versions(acme, 2)
        call("PUT", f"{ALIASES}/champion", {"version": 2})
        if decision == "deleted":
            call("DELETE", f"{ALIASES}/champion")
        if decision == "confirmed":
            call("PUT", f"{ALIASES}/champion", {"version": 2})
        long_ago = promotion(1, 1)
        long_ago["detail"]["metadata"]["time"] = "2026-03-02T09:15:08.731Z"

        invoke("registry/follow_promotion", long_ago)

        assert named(call) == ({} if decision == "deleted" else {"champion": 2})

    def test_policy_can_switch_it_off(self, call: Api, acme: Scenario) -> None:
        versions(acme, 1)
        rules = {"champion_follows_promotion": False}
        call("PUT", "/projects/vision/registry-policy", rules, role="tenant-admin")

        promote(1, 1)

        assert named(call) == {}

    def test_rollout_that_ended_otherwise_moves_nothing(self, call: Api, acme: Scenario) -> None:
        versions(acme, 1)

        for state in ("Failed", "RolledBack", "Superseded", "Aborted", "TimedOut"):
            promote(1, 1, state=state)

        assert named(call) == {}

    def test_version_that_has_gone_becomes_no_champion(self, call: Api, acme: Scenario) -> None:
        versions(acme, 1)

        promote(7, 1)

        assert named(call) == {}

    def test_model_is_the_one_that_the_event_names(self, call: Api, acme: Scenario) -> None:
        versions(acme, 1)

        promote(1, 1, deployment="other", model="digits")

        assert named(call) == {"champion": 1}

    def test_event_without_a_model_is_of_a_deployment_that_bears_its_name(
        self, call: Api, acme: Scenario
    ) -> None:
        versions(acme, 1)

        promote(1, 1, model=None)

        assert named(call) == {"champion": 1}

    def test_meeting_another_change_it_looks_again(
        self, call: Api, acme: Scenario, wire: Wire
    ) -> None:
        versions(acme, 2)

        def move_meanwhile(made: Call) -> None:
            if made.action == "TransactWriteItems":
                wire.before = None
                assert call("PUT", f"{ALIASES}/staging", {"version": 2}).status == 200

        wire.before = move_meanwhile
        promote(1, 1)

        assert named(call) == {"champion": 1, "staging": 2}

    def test_meeting_others_again_and_again_it_asks_for_a_further_delivery(
        self, call: Api, acme: Scenario, wire: Wire
    ) -> None:
        versions(acme, 2)
        moving = False

        def move_meanwhile(made: Call) -> None:
            nonlocal moving
            if made.action == "TransactWriteItems" and not moving:
                moving = True
                number = call("GET", f"{ALIASES}/latest").json["version"]
                staging = call("GET", f"{ALIASES}/staging")
                other = 1 if staging.status == 200 and staging.json["version"] == number else number
                assert call("PUT", f"{ALIASES}/staging", {"version": other}).status == 200
                moving = False

        wire.before = move_meanwhile
        with pytest.raises(ConcurrentChangeError):
            promote(1, 1)
