"""Whether a version may serve: nothing that is missing, and nothing worse, ever passes."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from controlplane.registry.gates import Champion, GateResult, evaluate, obstacles
from controlplane.registry.model import Approval, ApprovalState
from controlplane.registry.policy import MetricThreshold, NotWorseThanChampion, RegistryRules
from tests.unit.registry.versions import MOMENT, a_version

NUMBER = st.floats(-1e6, 1e6)
NO_NUMBER = st.sampled_from([math.nan, math.inf, -math.inf])
ANY = NUMBER | NO_NUMBER
APPROVED = Approval(state=ApprovalState.APPROVED, actor="ada", reason="fine", decided_at=MOMENT)
REJECTED = Approval(state=ApprovalState.REJECTED, actor="ada", reason="poor", decided_at=MOMENT)
SCANNED: dict[str, Any] = {"scanner": "a-scanner", "scanner_version": "1"}


def judged(
    rules: dict[str, Any], champion: Champion | None = None, **version: Any
) -> dict[str, GateResult]:
    results = evaluate(RegistryRules.model_validate(rules), a_version(2, **version), champion)
    return {result.gate: result for result in results}


def threshold(metrics: dict[str, float], **bounds: float | None) -> GateResult:
    gate = {"gate": "metric_threshold", "metric": "accuracy"} | bounds
    return judged({"gates": [gate]}, metrics=metrics)["metric_threshold"]


def comparison(
    value: float | None, champion: float | None, regression: float = 0.0, *, higher: bool = True
) -> GateResult:
    gate: dict[str, Any] = {
        "gate": "not_worse_than_champion",
        "metric": "accuracy",
        "higher_is_better": higher,
        "max_regression": regression,
    }
    metrics = {} if value is None else {"accuracy": value}
    others = {} if champion is None else {"accuracy": champion}
    return judged({"gates": [gate]}, Champion(1, others), metrics=metrics)[gate["gate"]]


class TestMetrics:
    @pytest.mark.parametrize(
        ("value", "bounds", "met"),
        [
            (0.9, {"min": 0.9}, True),
            (0.9, {"max": 0.9}, True),
            (0.9, {"min": 0.8, "max": 1.0}, True),
            (0.9, {"min": 0.91}, False),
            (0.9, {"max": 0.89}, False),
        ],
    )
    def test_bounds_are_within(self, value: float, bounds: dict[str, float], met: bool) -> None:
        assert threshold({"accuracy": value}, **bounds).met is met

    @given(metrics=st.dictionaries(st.sampled_from(["loss", "Accuracy", "accuracy "]), ANY))
    def test_missing_metric_never_passes(self, metrics: dict[str, float]) -> None:
        found = threshold(metrics, min=-1e300)

        assert not found.met
        assert "no metric accuracy" in found.message

    @given(value=NO_NUMBER, bounds=st.sampled_from(["min", "max"]), bound=NUMBER)
    def test_no_number_never_passes(self, value: float, bounds: str, bound: float) -> None:
        found = threshold({"accuracy": value}, **{bounds: bound})

        assert (found.met, found.value) == (False, None)
        assert "no number" in found.message

    @given(better=NUMBER, worse=NUMBER, bound=NUMBER)
    def test_better_metric_passes_what_a_worse_one_passes(
        self, better: float, worse: float, bound: float
    ) -> None:
        assume(better >= worse)

        assert threshold({"accuracy": better}, min=bound).met >= (
            threshold({"accuracy": worse}, min=bound).met
        )
        assert threshold({"accuracy": worse}, max=bound).met >= (
            threshold({"accuracy": better}, max=bound).met
        )

    @given(value=NUMBER, loose=NUMBER, tight=NUMBER)
    def test_tighter_bound_lets_nothing_more_pass(
        self, value: float, loose: float, tight: float
    ) -> None:
        assume(tight >= loose)

        passes = threshold({"accuracy": value}, min=tight).met
        assert threshold({"accuracy": value}, min=loose).met >= passes


class TestChampion:
    def test_regression_up_to_the_bound_is_not_worse(self) -> None:
        assert comparison(0.75, 1.0, 0.25).met
        assert not comparison(0.7499, 1.0, 0.25).met
        assert comparison(1.25, 1.0, 0.25, higher=False).met
        assert not comparison(1.2501, 1.0, 0.25, higher=False).met

    @pytest.mark.parametrize(
        ("value", "champion", "regression", "higher"),
        [(0.7, 0.8, 0.1, True), (0.3, 0.2, 0.1, False), (0.9, 1.0, 0.1, True)],
    )
    def test_fractions_are_those_that_people_wrote(
        self, value: float, champion: float, regression: float, higher: bool
    ) -> None:
        """0.8 less 0.1 is 0.7, though not in binary fractions."""
        assert comparison(value, champion, regression, higher=higher).met

    def test_without_a_champion_the_gate_holds_if_there_is_a_number(self) -> None:
        gates = [{"gate": "not_worse_than_champion", "metric": "accuracy"}]

        assert judged({"gates": gates}, metrics={"accuracy": 0.1})[gates[0]["gate"]].met
        assert not judged({"gates": gates}, metrics={"accuracy": math.nan})[gates[0]["gate"]].met
        assert not judged({"gates": gates})[gates[0]["gate"]].met

    def test_champion_is_not_worse_than_itself(self) -> None:
        gates = [{"gate": "not_worse_than_champion", "metric": "accuracy"}]
        itself = Champion(2, {"accuracy": 0.9})

        assert judged({"gates": gates}, itself, metrics={"accuracy": 0.9})[gates[0]["gate"]].met

    @given(value=ANY | st.none(), champion=ANY | st.none(), higher=st.booleans())
    def test_what_cannot_be_compared_never_passes(
        self, value: float | None, champion: float | None, higher: bool
    ) -> None:
        assume(any(n is None or not math.isfinite(n) for n in (value, champion)))

        found = comparison(value, champion, 1e300, higher=higher)

        assert not found.met
        assert found.code == "NotWorseThanChampion"
        assert found.remedy

    @given(better=NUMBER, worse=NUMBER, champion=NUMBER, regression=st.floats(0, 1e6))
    def test_better_version_passes_where_a_worse_one_passes(
        self, better: float, worse: float, champion: float, regression: float
    ) -> None:
        assume(better >= worse)

        passes = comparison(worse, champion, regression).met
        assert comparison(better, champion, regression).met >= passes
        reverse = comparison(better, champion, regression, higher=False).met
        assert comparison(worse, champion, regression, higher=False).met >= reverse

    @given(value=NUMBER, champion=NUMBER, small=st.floats(0, 1e6), large=st.floats(0, 1e6))
    def test_more_allowed_regression_refuses_nothing_more(
        self, value: float, champion: float, small: float, large: float
    ) -> None:
        assume(large >= small)

        assert comparison(value, champion, large).met >= comparison(value, champion, small).met


class TestApproval:
    @pytest.mark.parametrize(
        ("approval", "required", "code"),
        [
            (Approval(), True, "NotApproved"),
            (Approval(), False, None),
            (APPROVED, True, None),
            (REJECTED, True, "ApprovalRejected"),
            (REJECTED, False, "ApprovalRejected"),
        ],
    )
    def test_approval(self, approval: Approval, required: bool, code: str | None) -> None:
        found = judged({"approval_required": required}, approval=approval).get("approval")

        assert (found.code if found else None) == code

    @pytest.mark.parametrize(
        ("uploader", "four_eyes", "code"),
        [
            ("eve", True, None),
            ("ada", False, None),
            ("ada", True, "NotApproved"),
            (None, True, "NotApproved"),
            (None, False, None),
        ],
    )
    def test_four_eyes_are_judged_whenever_conditions_are(
        self, uploader: str | None, four_eyes: bool, code: str | None
    ) -> None:
        """Ada's approval may be of a time when the project did not ask whose it is."""
        rules = {"approval_required": True, "approver_is_not_uploader": four_eyes}

        found = judged(rules, approval=APPROVED, registered_by=uploader)["approval"]

        assert (found.met, found.code) == (code is None, code)
        assert bool(found.remedy) is not found.met

    def test_four_eyes_hold_nothing_back_where_no_approval_is_asked_for(self) -> None:
        rules = {"approver_is_not_uploader": True}

        assert "approval" not in judged(rules, approval=APPROVED, registered_by="ada")


class TestArtifacts:
    @pytest.mark.parametrize(
        ("state", "rules", "met"),
        [
            ("Unsafe", {}, False),
            ("Unsafe", {"gates": [{"gate": "scan_clean"}]}, False),
            ("Clean", {"gates": [{"gate": "scan_clean"}]}, True),
            ("Clean", {"pickles_allowed": False}, False),
            ("NotNeeded", {"pickles_allowed": False}, True),
            (None, {}, True),
            (None, {"gates": [{"gate": "scan_clean"}]}, False),
            (None, {"pickles_allowed": False}, False),
        ],
    )
    def test_scan(self, state: str | None, rules: dict[str, Any], met: bool) -> None:
        scan = None if state is None else {"state": state} | SCANNED

        found = judged(rules, scan=scan)["scan_clean"]

        assert (found.met, found.code) == (met, None if met else "ScanNotClean")

    @pytest.mark.parametrize(
        "rules", [{"signature_required": True}, {"gates": [{"gate": "signature_present"}]}]
    )
    def test_signature(self, rules: dict[str, Any]) -> None:
        signed = {"key_id": "ci", "fingerprint": "f" * 64, "verified_at": MOMENT}

        assert judged(rules)["signature_present"].code == "SignatureMissing"
        unbound = judged(rules, signature=signed)["signature_present"]
        assert (unbound.met, unbound.code) == (False, "SignatureUnbound")
        assert unbound.remedy
        assert judged(rules, signature=signed | {"names_model": True})["signature_present"].met
        assert "signature_present" not in judged({})


GATES = st.lists(
    st.builds(MetricThreshold, gate=st.just("metric_threshold"), metric=st.just("a"), min=NUMBER)
    | st.builds(
        NotWorseThanChampion,
        gate=st.just("not_worse_than_champion"),
        metric=st.sampled_from(["a", "b"]),
        max_regression=st.floats(0, 10),
    ),
    max_size=5,
)


@given(gates=GATES, metrics=st.dictionaries(st.sampled_from(["a", "b"]), ANY), champion=ANY)
def test_every_gate_is_judged_and_every_one_not_met_is_an_obstacle_with_a_remedy(
    gates: list[Any], metrics: dict[str, float], champion: float
) -> None:
    rules = RegistryRules(gates=tuple(gates))

    results = evaluate(rules, a_version(2, metrics=metrics), Champion(1, {"a": champion}))
    why_not = obstacles(results)

    assert len([r for r in results if r.metric is not None]) == len(gates)
    assert len(why_not) == sum(not result.met for result in results)
    assert all(reason.message and reason.remedy and reason.code for reason in why_not)
