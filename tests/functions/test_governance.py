"""What is told and decided about versions: tags, evidence, cards, approval, conditions, lineage."""

import json
import math
from typing import Any

import pytest

from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.samples import Json
from tests.functions.scenario import Scenario

MODEL = "/projects/vision/models/digits"
VERSION = f"{MODEL}/versions/1"
POLICY = "/projects/vision/registry-policy"
METADATA: Json = {
    "tags": {"team": "vision"},
    "metrics": {"accuracy": 0.1 + 0.2, "loss": 1e-200, "f1": None},
    "dataset_digest": "sha256:9f86d081",
    "run": "run-17",
    "template_version": "train-digits@3",
    "code": "https://git.example/acme/digits@9f1b",
}
EVIDENCE = ("dataset_digest", "run", "template_version", "code")


def set_policy(call: Api, **rules: Any) -> None:
    answered = call("PUT", POLICY, rules, role="tenant-admin")
    assert answered.status == 200, answered.body


def clearance(call: Api, number: int = 1) -> Json:
    found: Json = call("GET", f"{MODEL}/versions/{number}/clearance").json
    return found


def unmet(call: Api, number: int = 1) -> dict[str, str]:
    """Code by gate."""
    return {
        gate["gate"]: gate["code"] for gate in clearance(call, number)["gates"] if not gate["met"]
    }


class TestMetadata:
    def test_version_keeps_what_its_manifest_tells(self, call: Api, acme: Scenario) -> None:
        acme.upload_with(METADATA, subject="ada")

        found = call("GET", VERSION).json

        assert found["tags"] == METADATA["tags"]
        assert found["metrics"] == {"accuracy": 0.1 + 0.2, "loss": 1e-200, "f1": None}
        assert {name: found[name] for name in EVIDENCE} == {n: METADATA[n] for n in EVIDENCE}
        assert found["registered_by"] == "ada"
        assert found["approval"]["state"] == "Pending"

    def test_plain_file_tells_nothing_and_nobody_is_known_to_have_uploaded_it(
        self, call: Api, acme: Scenario
    ) -> None:
        acme.upload_version()

        found = call("GET", VERSION).json

        assert (found["tags"], found["metrics"], found["registered_by"]) == ({}, {}, None)
        assert {found[name] for name in EVIDENCE} == {None}

    def test_tags_are_merged_and_taken_away(self, call: Api, acme: Scenario) -> None:
        acme.upload_with(METADATA)

        first = call("PATCH", VERSION, {"tags": {"stage": "beta"}})
        second = call("PATCH", VERSION, {"tags": {"team": None, "absent": None}})

        assert first.json["tags"] == {"team": "vision", "stage": "beta"}
        assert second.json["tags"] == {"stage": "beta"}
        assert call("GET", VERSION).json == second.json
        assert call("GET", VERSION).etag == second.etag != first.etag

    def test_model_has_tags_that_survive_further_versions(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()

        changed = call("PATCH", MODEL, {"tags": {"owner": "ada"}})
        acme.upload_version(content=b"two")

        assert changed.json["tags"] == {"owner": "ada"}
        assert call("GET", MODEL).json["tags"] == {"owner": "ada"}
        assert call("PATCH", "/projects/vision/models/none", {"tags": {}}).status == 404

    def test_evidence_is_added_once(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        evidence = {name: METADATA[name] for name in ("metrics", *EVIDENCE)}

        added = call("PATCH", VERSION, evidence)
        repeated = call("PATCH", VERSION, evidence)

        assert added.status == 200
        assert added.json["run"] == "run-17"
        assert (repeated.status, repeated.etag) == (200, added.etag)

    @pytest.mark.parametrize(
        "change",
        [
            {"metrics": {"accuracy": 0.99}},
            {"metrics": {"f1": 0.5}},
            {"dataset_digest": "sha256:other"},
            {"run": "run-18"},
            {"template_version": "train-digits@4"},
            {"code": "https://git.example/acme/digits@aaaa"},
        ],
    )
    def test_evidence_that_is_there_does_not_change(
        self, call: Api, acme: Scenario, change: Json
    ) -> None:
        acme.upload_with(METADATA)
        before = call("GET", VERSION)

        refused = call("PATCH", VERSION, change | {"tags": {"sneaked": "in"}})

        assert (refused.status, refused.code) == (409, "immutable")
        assert refused.json["remedy"]
        assert call("GET", VERSION).json == before.json

    @pytest.mark.parametrize("value", ["0.5", True, " 1e3 ", "NaN"])
    def test_metric_that_is_no_number_is_no_evidence(
        self, call: Api, acme: Scenario, value: Any
    ) -> None:
        acme.upload_version()

        refused = call("PATCH", VERSION, {"metrics": {"a": value}})

        assert (refused.status, refused.code) == (422, "invalid_request")
        assert call("GET", VERSION).json["metrics"] == {}

    def test_metric_beyond_all_numbers_is_what_it_is_shown_as(
        self, call: Api, acme: Scenario
    ) -> None:
        acme.upload_version()
        beyond = call("PATCH", VERSION, {"metrics": {"a": math.inf}})
        assert beyond.json["metrics"] == {"a": None}

        repeated = call("PATCH", VERSION, {"metrics": beyond.json["metrics"]})

        assert (repeated.status, repeated.etag) == (200, beyond.etag)

    def test_change_of_what_has_changed_is_refused(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        stale = {"If-Match": call("GET", VERSION).etag}
        call("PATCH", VERSION, {"tags": {"a": "b"}})

        changes: list[tuple[str, str, Json]] = [
            ("PATCH", VERSION, {"tags": {"c": "d"}}),
            ("PUT", f"{VERSION}/card", {"text": "x"}),
            ("POST", f"{VERSION}/approve", {"reason": "x"}),
            ("POST", f"{VERSION}/reject", {"reason": "x"}),
        ]
        for method, path, body in changes:
            refused = call(method, path, body, role="tenant-admin", headers=stale)
            assert (refused.status, refused.code) == (412, "precondition_failed"), path

    def test_too_many_tags_are_refused(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        for start in (0, 25):
            more = {f"t{n}": "" for n in range(start, start + 25)}
            assert call("PATCH", VERSION, {"tags": more}).status == 200

        refused = call("PATCH", VERSION, {"tags": {"one": "more"}})

        assert (refused.status, refused.code) == (422, "limit_exceeded")

    def test_marks_of_deployments_and_aliases_survive_a_change(
        self, call: Api, acme: Scenario
    ) -> None:
        acme.upload_version()
        acme.hold(1)
        call("PUT", f"{MODEL}/aliases/staging", {"version": 1})

        changed = call("PATCH", VERSION, {"tags": {"a": "b"}}).json

        assert (changed["served_by"], changed["aliases"]) == (["digits"], ["staging"])
        assert call("GET", VERSION).json == changed
        assert call("DELETE", VERSION).code == "in_use"


class TestCard:
    def test_card_shows_facts_first_and_then_what_people_wrote(
        self, call: Api, acme: Scenario
    ) -> None:
        acme.upload_with(METADATA)
        call("PUT", f"{VERSION}/card", {"text": "Recognises **digits**."})

        card = call("GET", f"{VERSION}/card")

        assert card.headers["content-type"].startswith("text/markdown")
        assert card.etag == call("GET", VERSION).etag
        assert card.body.startswith("# digits, version 1\n")
        assert "| accuracy | 0.3 |" in card.body
        assert "| f1 | no number |" in card.body
        assert card.body.rstrip().endswith("Recognises **digits**.")

    def test_card_has_a_limit(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()

        for text in ("x" * (32 * 1024 + 1), "ä" * (16 * 1024 + 1)):
            assert call("PUT", f"{VERSION}/card", {"text": text}).status == 422
        assert call("PUT", f"{VERSION}/card", {"text": "ä" * (16 * 1024)}).status == 200

    def test_lists_do_not_carry_cards(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        call("PUT", f"{VERSION}/card", {"text": "a long story"})

        assert "a long story" not in call("GET", f"{MODEL}/versions").body


class TestApproval:
    def test_decision_is_kept_with_who_made_it_and_why(
        self, call: Api, acme: Scenario, cloud: Cloud
    ) -> None:
        acme.upload_version()

        approved = call("POST", f"{VERSION}/approve", {"reason": " fine "}, role="tenant-admin")

        shown = approved.json["approval"]
        assert (shown["state"], shown["reason"]) == ("Approved", "fine")
        assert shown["actor"] == "sub-acme-tenant-admin"
        assert shown["decided_at"]
        event = cloud.item(acme.partition, "VERSION#digits#00000001")["event"]
        data = json.loads(event["detail"])["data"]
        assert event["detail_type"] == "VersionApproved"
        assert data["position"] == cloud.item(acme.partition, "VERSION#digits#00000001")["position"]

    def test_decision_can_be_revised_and_repeated(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        for path, state in (
            ("approve", "Approved"),
            ("reject", "Rejected"),
            ("approve", "Approved"),
        ):
            decided = call("POST", f"{VERSION}/{path}", {"reason": "x"}, role="tenant-admin")
            again = call("POST", f"{VERSION}/{path}", {"reason": "x"}, role="tenant-admin")
            assert decided.json["approval"]["state"] == state
            assert (again.json, again.etag) == (decided.json, decided.etag)

    def test_developer_does_not_decide(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()

        for path in ("approve", "reject"):
            refused = call("POST", f"{VERSION}/{path}", {"reason": "mine"})
            assert (refused.status, refused.code) == (403, "policy_denied")
        assert call("PUT", POLICY, {}).status == 403

    def test_reason_is_asked_for(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()

        for body in ({}, {"reason": ""}, {"reason": "   "}):
            assert call("POST", f"{VERSION}/approve", body, role="tenant-admin").status == 422

    def test_four_eyes(self, call: Api, acme: Scenario) -> None:
        boss: dict[str, Any] = {"role": "tenant-admin", "subject": "boss"}
        acme.upload_with({}, **boss)
        acme.upload_version(content=b"from a folder")
        call("PUT", POLICY, {"approver_is_not_uploader": True}, **boss)

        own = call("POST", f"{VERSION}/approve", {"reason": "x"}, **boss)
        unknown = call("POST", f"{MODEL}/versions/2/approve", {"reason": "x"}, **boss)
        others = call("POST", f"{VERSION}/approve", {"reason": "x"}, role="tenant-admin")

        assert [own.status, unknown.status, others.status] == [403, 403, 200]
        assert own.json["remedy"]
        assert unknown.json["remedy"]
        rejected = call("POST", f"{VERSION}/reject", {"reason": "x"}, **boss)
        assert rejected.json["approval"]["state"] == "Rejected"

    def test_four_eyes_that_are_asked_for_later_are_asked_of_what_was_approved_before(
        self, call: Api, acme: Scenario
    ) -> None:
        boss: dict[str, Any] = {"role": "tenant-admin", "subject": "boss"}
        acme.upload_with({}, **boss)
        assert call("POST", f"{VERSION}/approve", {"reason": "mine"}, **boss).status == 200
        set_policy(call, approval_required=True)
        assert clearance(call)["cleared"] is True

        set_policy(call, approval_required=True, approver_is_not_uploader=True)

        assert unmet(call) == {"approval": "NotApproved"}
        others = call("POST", f"{VERSION}/approve", {"reason": "fine"}, role="tenant-admin")
        assert others.status == 200
        assert clearance(call)["cleared"] is True


class TestPolicy:
    @pytest.mark.usefixtures("acme")
    def test_project_without_a_policy_shows_what_holds(self, call: Api) -> None:
        found = call("GET", POLICY)

        assert found.etag == '"0"'
        assert found.json["approval_required"] is False
        assert found.json["champion_follows_promotion"] is True
        assert found.json["gates"] == []

    @pytest.mark.usefixtures("acme")
    def test_policy_is_replaced_as_a_whole(self, call: Api) -> None:
        gate = {"gate": "metric_threshold", "metric": "accuracy", "min": 0.1 + 0.2, "max": None}
        set_policy(call, approval_required=True, gates=[gate])
        first = call("GET", POLICY)
        set_policy(call, signature_required=True)
        second = call("GET", POLICY)

        assert first.json["gates"] == [gate]
        assert (second.json["approval_required"], second.json["gates"]) == (False, [])
        stale = call("PUT", POLICY, {}, role="tenant-admin", headers={"If-Match": first.etag})
        assert stale.status == 412

    @pytest.mark.parametrize(
        "gate",
        [
            {"gate": "metric_threshold", "metric": "accuracy"},
            {"gate": "metric_threshold", "metric": "accuracy", "min": 2, "max": 1},
            {"gate": "metric_threshold", "metric": "accuracy", "min": math.nan},
            {"gate": "not_worse_than_champion", "metric": "a", "max_regression": -1},
            {"gate": "unheard_of"},
            {"gate": "scan_clean", "metric": "a"},
        ],
    )
    @pytest.mark.usefixtures("acme")
    def test_gate_that_makes_no_sense_is_refused(self, call: Api, gate: Json) -> None:
        assert call("PUT", POLICY, {"gates": [gate]}, role="tenant-admin").status == 422

    @pytest.mark.usefixtures("acme")
    def test_policy_of_another_project_or_none(self, call: Api) -> None:
        assert call("GET", "/projects/other/registry-policy").status == 404
        assert call("PUT", "/projects/other/registry-policy", {}, role="tenant-admin").status == 404


class TestClearance:
    def test_nothing_asked_is_cleared(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()

        found = clearance(call)

        assert (found["cleared"], found["version"]) == (True, 1)
        assert unmet(call) == {}

    def test_each_condition_says_why_it_is_not_met(self, call: Api, acme: Scenario) -> None:
        acme.upload_with(METADATA)
        set_policy(
            call,
            approval_required=True,
            signature_required=True,
            gates=[
                {"gate": "metric_threshold", "metric": "accuracy", "min": 0.9},
                {"gate": "metric_threshold", "metric": "recall", "min": 0.9},
                {"gate": "metric_threshold", "metric": "f1", "min": 0.9},
            ],
        )

        gates = {g["metric"] or g["gate"]: g for g in clearance(call)["gates"] if not g["met"]}

        assert {name: gate["code"] for name, gate in gates.items()} == {
            "approval": "NotApproved",
            "signature_present": "SignatureMissing",
            "accuracy": "GateNotMet",
            "recall": "GateNotMet",
            "f1": "GateNotMet",
        }
        assert gates["accuracy"]["value"] == pytest.approx(0.3)
        assert gates["accuracy"]["min"] == 0.9
        assert "no metric recall" in gates["recall"]["message"]
        assert "no number" in gates["f1"]["message"]
        assert all(gate["remedy"] for gate in gates.values())

    def test_approval_and_evidence_clear_the_way(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        gate = {"gate": "metric_threshold", "metric": "accuracy", "min": 0.9}
        set_policy(call, approval_required=True, gates=[gate])
        assert set(unmet(call)) == {"approval", "metric_threshold"}

        call("PATCH", VERSION, {"metrics": {"accuracy": 0.9}})
        call("POST", f"{VERSION}/approve", {"reason": "fine"}, role="tenant-admin")

        assert clearance(call)["cleared"] is True

    def test_rejected_version_is_never_cleared(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        call("POST", f"{VERSION}/reject", {"reason": "wrong data"}, role="tenant-admin")

        assert unmet(call) == {"approval": "ApprovalRejected"}

    def test_version_is_compared_with_the_champion_as_it_is_now(
        self, call: Api, acme: Scenario
    ) -> None:
        for accuracy in (0.9, 0.8, 0.7):
            acme.upload_with({"metrics": {"accuracy": accuracy}}, content=str(accuracy).encode())
        comparison = {"gate": "not_worse_than_champion", "metric": "accuracy"}
        set_policy(call, gates=[comparison | {"max_regression": 0.05}])
        assert clearance(call, 3)["cleared"] is True  # there is no champion yet

        call("PUT", f"{MODEL}/aliases/champion", {"version": 1}, role="tenant-admin")
        assert unmet(call, 2) == {"not_worse_than_champion": "NotWorseThanChampion"}
        moved = {"aliases": {"champion": 2, "previous": 1}}
        call("POST", f"{MODEL}/aliases", moved, role="tenant-admin")

        assert clearance(call, 2)["cleared"] is True
        [gate] = [g for g in clearance(call, 3)["gates"] if g["gate"] == comparison["gate"]]
        assert (gate["met"], gate["champion"], gate["champion_value"]) == (False, 2, 0.8)
        assert (gate["value"], gate["min"]) == (0.7, pytest.approx(0.75))

    def test_evidence_that_the_champion_gets_later_counts(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        acme.upload_with({"metrics": {"accuracy": 0.5}}, content=b"two")
        set_policy(call, gates=[{"gate": "not_worse_than_champion", "metric": "accuracy"}])
        call("PUT", f"{MODEL}/aliases/champion", {"version": 1}, role="tenant-admin")
        assert "champion, version 1, has no metric" in str(clearance(call, 2))

        call("PATCH", VERSION, {"metrics": {"accuracy": 0.9}})

        [gate] = [g for g in clearance(call, 2)["gates"] if not g["met"]]
        assert gate["champion_value"] == 0.9


class TestLineage:
    def test_both_ways(self, call: Api, acme: Scenario) -> None:
        acme.upload_with(METADATA)
        acme.upload_with({"dataset_digest": "sha256:9f86d081"}, model="letters")
        acme.hold(1)
        call("PUT", f"{MODEL}/aliases/staging", {"version": 1})

        found = call("GET", f"{VERSION}/lineage").json

        assert (found["run"], found["deployments"], found["aliases"]) == (
            "run-17",
            ["digits"],
            ["staging"],
        )
        by_dataset = call("GET", found["same_dataset"]).json["items"]
        by_run = call("GET", found["same_run"]).json["items"]
        assert [(v["model"], v["version"]) for v in by_dataset] == [("digits", 1), ("letters", 1)]
        by_template = call("GET", found["same_template_version"]).json["items"]
        assert [(v["model"], v["run"]) for v in by_run] == [("digits", "run-17")]
        assert [(v["model"], v["version"]) for v in by_template] == [("digits", 1)]

    def test_evidence_that_comes_later_is_found(self, call: Api, acme: Scenario) -> None:
        acme.upload_version()
        assert call("GET", "/projects/vision/lineage?run=r1").json["items"] == []

        call("PATCH", VERSION, {"run": "r1"})
        call("PATCH", VERSION, {"dataset_digest": "d1"})
        call("PATCH", VERSION, {"template_version": "t@1"})

        for query in ("run=r1", "dataset=d1", "template_version=t@1"):
            [found] = call("GET", f"/projects/vision/lineage?{query}").json["items"]
            assert (found["model"], found["version"]) == ("digits", 1)

    def test_deleted_version_is_found_no_more(self, call: Api, acme: Scenario) -> None:
        acme.upload_with(METADATA)
        call("DELETE", VERSION)

        for query in ("run=run-17", "template_version=train-digits@3"):
            assert call("GET", f"/projects/vision/lineage?{query}").json["items"] == []

    def test_reference_is_not_the_beginning_of_another(self, call: Api, acme: Scenario) -> None:
        acme.upload_with({"run": "run-17"})

        assert call("GET", "/projects/vision/lineage?run=run-1").json["items"] == []

    def test_pages_belong_to_their_list(self, call: Api, acme: Scenario) -> None:
        for number in range(3):
            acme.upload_with({"run": "r", "dataset_digest": "d"}, content=str(number).encode())

        first = call("GET", "/projects/vision/lineage?run=r&limit=2").json
        rest = call("GET", f"/projects/vision/lineage?run=r&cursor={first['next']}").json

        assert [v["version"] for v in first["items"] + rest["items"]] == [1, 2, 3]
        assert rest["next"] is None
        foreign = call("GET", f"/projects/vision/lineage?dataset=d&cursor={first['next']}")
        assert foreign.status == 422

    def test_without_an_origin_all_data_sets_are_listed(self, call: Api, acme: Scenario) -> None:
        for digest in ("d2", "d1"):
            acme.upload_with({"dataset_digest": digest}, content=digest.encode())

        listed = call("GET", "/projects/vision/lineage").json["items"]

        assert [version["dataset_digest"] for version in listed] == ["d1", "d2"]
        for several in ("run=a&dataset=b", "run=a&template_version=b"):
            assert call("GET", f"/projects/vision/lineage?{several}").status == 422

    @pytest.mark.usefixtures("acme")
    def test_misspelt_origin_is_not_answered_with_everything(self, call: Api) -> None:
        refused = call("GET", "/projects/vision/lineage?datset=d1&limit=5")

        assert (refused.status, refused.code) == (422, "invalid_request")
        assert "datset" in refused.json["detail"]
        assert "dataset" in refused.json["remedy"]
