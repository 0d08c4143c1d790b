"""Metrics that are numbers."""

import math

import pytest

from controlplane.serving.analysis import AnalysisPolicy, ValueMetric, Verdict
from tests.unit.serving.statistics.readings import Watched, decisive

Value = float | None


def watched(**bounds: float) -> Watched:
    metric = ValueMetric.model_validate(
        {"name": "drift", "query": "q", "ticks_in_a_row": 3} | bounds
    )
    found = Watched(AnalysisPolicy(error_rate=None, latency=None, values=(metric,)))
    found.tick((900, 0), (100, 0), values={"drift": (0.5, 0.5)})
    return found


def tick(found: Watched, canary: Value, stable: Value = 0.5) -> tuple[Verdict, str]:
    judgement = found.tick((90, 0), (10, 0), values={"drift": (canary, stable)})
    return judgement.verdict, decisive(judgement).code


@pytest.mark.parametrize(
    ("bounds", "bad"), [({"max": 1}, 1.1), ({"min": 0}, -0.1), ({"max_ratio": 2}, 1.01)]
)
def test_only_so_many_ticks_in_a_row_out_of_bounds_fail(
    bounds: dict[str, float], bad: float
) -> None:
    found = watched(**bounds)
    assert tick(found, 0.5) == (Verdict.PASS, "WithinBounds")
    assert tick(found, bad) == (Verdict.INCONCLUSIVE, "OutOfBounds")
    assert tick(found, bad) == (Verdict.INCONCLUSIVE, "OutOfBounds")
    assert tick(found, 0.5) == (Verdict.PASS, "WithinBounds")
    again = [tick(found, bad)[0] for _ in range(3)]
    assert again == [Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.FAIL]
    assert tick(found, 0.5) == (Verdict.FAIL, "ValueOutOfBounds")


def test_the_same_reading_twice_is_one_tick() -> None:
    found = watched(max=1)
    tick(found, 2)
    for _ in range(5):
        judgement = found.look(values={"drift": (2.0, None)})
    assert judgement.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("canary", "code"), [(None, "NoData"), (math.nan, "NotANumber"), (math.inf, "NotANumber")]
)
def test_no_number_is_inconclusive_and_neither_counts_nor_forgives(
    canary: Value, code: str
) -> None:
    found = watched(max=1)
    tick(found, 2)
    tick(found, 2)
    assert tick(found, canary) == (Verdict.INCONCLUSIVE, code)
    assert tick(found, 2) == (Verdict.FAIL, "ValueOutOfBounds")


@pytest.mark.parametrize("stable", [None, math.nan, 0.0, -1.0])
def test_a_ratio_needs_a_positive_number_to_compare_with(stable: Value) -> None:
    assert tick(watched(max_ratio=2), 0.5, stable) == (Verdict.INCONCLUSIVE, "NoBaseline")


def test_a_metric_that_was_not_read_is_inconclusive() -> None:
    found = watched(max=1)
    judgement = found.tick((900, 0), (100, 0))
    assert (judgement.verdict, decisive(judgement).code) == (Verdict.INCONCLUSIVE, "NoData")


def test_with_all_traffic_bounds_stay_and_the_ratio_goes() -> None:
    found = watched(max=3, max_ratio=2)
    judgement = found.tick((0, 0), (10, 0), compared=False, values={"drift": (2.0, None)})
    assert judgement.verdict is Verdict.PASS
    for _ in range(3):
        judgement = found.tick((0, 0), (9, 0), compared=False, values={"drift": (4.0, None)})
    assert judgement.verdict is Verdict.FAIL
