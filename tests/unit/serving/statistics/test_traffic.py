"""What is said beforehand of the traffic that a verdict needs, against simulated rollouts."""

import pytest

from controlplane.serving.analysis import AnalysisPolicy, ErrorRateCheck
from controlplane.serving.statistics.judging import evidence_needed
from controlplane.serving.statistics.traffic import traffic_need
from local.bench_verdict.figures import measure
from local.bench_verdict.simulation import Scenario
from tests.unit.serving.statistics.readings import ERRORS_ONLY, Watched


def test_better_traffic_and_larger_regressions_need_less() -> None:
    need = traffic_need(AnalysisPolicy(), error_rate=0.01, canary_share=0.1)
    assert [each.points for each in need.detections] == [1, 2, 5, 20]
    canary = [each.canary_80 or 0 for each in need.detections]
    assert canary == sorted(canary, reverse=True)
    for each in need.detections:
        assert each.canary_80 is not None
        assert each.canary_95 is not None
        assert each.canary_80 < each.canary_95
        assert each.total_80 == pytest.approx(each.canary_80 * 10, rel=0.01)
    half = traffic_need(AnalysisPolicy(), error_rate=0.01, canary_share=0.5)
    assert (half.total_to_pass or 0) < (need.total_to_pass or 0)


def test_what_cannot_be_seen_with_any_traffic_is_none() -> None:
    need = traffic_need(AnalysisPolicy(), error_rate=0.9, canary_share=0.01)
    assert [each.points for each in need.detections] == [1, 2, 5]
    tiny = AnalysisPolicy(error_rate=ErrorRateCheck(max_increase=1e-9))
    assert traffic_need(tiny, error_rate=0.1, canary_share=0.1).canary_to_pass is None


def test_a_policy_without_comparisons_needs_its_requests_alone() -> None:
    nothing = AnalysisPolicy(error_rate=None, latency=None, min_requests=70)
    need = traffic_need(nothing, error_rate=0.1, canary_share=0.5)
    assert (need.canary_to_pass, need.total_to_pass, need.detections) == (70, 140, ())


@pytest.mark.parametrize("error_rate", [0.0, 0.01, 0.1])
def test_with_the_traffic_that_was_said_an_equal_canary_passes(error_rate: float) -> None:
    need = traffic_need(ERRORS_ONLY, error_rate=error_rate, canary_share=0.1).canary_to_pass
    assert need is not None

    def verdict(canary: int) -> str:
        watched = Watched()
        return watched.tick(
            (canary * 9, round(canary * 9 * error_rate)), (canary, round(canary * error_rate))
        ).verdict

    assert verdict(need) == "Pass"
    assert verdict(need // 2) == "Inconclusive"


@pytest.mark.parametrize(("base", "place"), [(0.01, 1), (0.01, 2), (0.05, 2)])
def test_regressions_are_seen_with_about_the_traffic_that_was_said(base: float, place: int) -> None:
    policy = AnalysisPolicy()
    said = traffic_need(policy, error_rate=base, canary_share=0.1).detections[place]
    scenario = Scenario(base, said.points / 100, shares=(0.1,), ticks=250)
    seen = measure(scenario, 300, (6,), evidence_needed(policy), ("Headrace",))["Headrace"]
    assert said.canary_80 == pytest.approx(seen.requests_for(0.8), rel=0.35)
