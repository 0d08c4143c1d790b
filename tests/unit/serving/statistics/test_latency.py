"""Latency percentiles as shares beyond a bound that only the past decides."""

import math
from typing import Any

import pytest

from controlplane.serving.analysis import (
    AnalysisPolicy,
    LatencyCheck,
    RevisionCounts,
    Verdict,
)
from controlplane.serving.statistics.histograms import (
    MOST_BUCKETS,
    above,
    has_histogram,
    percentile_range,
    possibly_above,
    thinned,
)
from tests.unit.serving.statistics.readings import BOUNDS, Watched, counts, decisive

LATENCY = AnalysisPolicy(error_rate=None)
GUARDED = AnalysisPolicy(error_rate=None, latency=LatencyCheck(max_milliseconds=250))
# Buckets up to 10, 50, 100, 150, 250, 500, 1000 ms and beyond.
USUAL = (0, 90, 6, 3, 1, 0, 0, 0)
SLOW = (0, 0, 0, 10, 60, 20, 10, 0)


def answers(hundreds: int, shape: tuple[int, ...] = USUAL) -> RevisionCounts:
    return counts(hundreds * 100, 0, tuple(number * hundreds for number in shape))


def known(policy: AnalysisPolicy = LATENCY) -> Watched:
    """The stable revision's times are known: 95 % within 100 ms."""
    watched = Watched(policy)
    watched.tick(answers(9), answers(1))
    return watched


def test_a_canary_as_fast_as_the_stable_revision_passes() -> None:
    watched = known()
    for _ in range(8):
        judgement = watched.tick(answers(9), answers(1))
    assert judgement.verdict is Verdict.PASS
    assert "longer than 1.5 x 92 ms" in decisive(judgement).message


def test_a_slow_canary_fails() -> None:
    watched = known()
    judgement = watched.tick(answers(9), answers(1, SLOW))
    result = decisive(judgement)
    assert (judgement.verdict, result.code) == (Verdict.FAIL, "LatencyHigher")
    assert result.message.startswith(
        "90 of 100 canary answers were slow (90.0 %), longer than 1.5 x"
    )


def test_a_canary_that_is_slower_within_the_ratio_does_not_fail() -> None:
    watched = known(AnalysisPolicy(error_rate=None, latency=LatencyCheck(max_ratio=2.5)))
    for _ in range(10):
        judgement = watched.tick(answers(9), answers(1, (0, 0, 0, 90, 10, 0, 0, 0)))
    assert judgement.verdict is not Verdict.FAIL


def test_the_answers_that_are_judged_do_not_decide_the_bound() -> None:
    """A tick in which the stable revision is slow too is held against the bound of before, for both."""
    watched = known()
    before = decisive(watched.look()).message
    judgement = watched.tick(answers(90, SLOW), answers(10, SLOW))
    assert judgement.verdict is not Verdict.FAIL
    assert "1.5 x 92 ms" in before
    assert "1.5 x 92 ms" in decisive(judgement).message


def test_without_a_past_there_is_no_bound() -> None:
    watched = Watched(LATENCY)
    judgement = watched.tick(answers(9), answers(1))
    assert (judgement.verdict, decisive(judgement).code) == (Verdict.INCONCLUSIVE, "NoBaseline")


def test_a_percentile_beyond_the_last_bucket_cannot_be_compared() -> None:
    beyond = (0, 0, 0, 0, 0, 0, 0, 100)
    watched = Watched(LATENCY)
    watched.tick(answers(9, beyond), answers(1, beyond))
    judgement = watched.tick(answers(9, beyond), answers(1, beyond))
    assert (judgement.verdict, decisive(judgement).code) == (Verdict.INCONCLUSIVE, "BeyondBuckets")


def test_a_bound_beyond_the_last_bucket_never_fails_and_passes_only_below_it() -> None:
    near_the_end = (0, 0, 0, 0, 0, 0, 100, 0)
    watched = Watched(LATENCY)
    for _ in range(9):
        watched.tick(answers(9, near_the_end), answers(1, near_the_end))
    assert watched.look().verdict is Verdict.PASS
    for _ in range(5):
        judgement = watched.tick(answers(9, near_the_end), answers(2, (0, 0, 0, 0, 0, 0, 0, 100)))
    assert judgement.verdict is Verdict.INCONCLUSIVE


def test_the_absolute_guard_fails_without_a_baseline() -> None:
    watched = Watched(GUARDED)
    judgement = watched.tick(answers(0), answers(1, (0, 0, 0, 0, 0, 100, 0, 0)))
    assert (judgement.verdict, decisive(judgement).code) == (Verdict.FAIL, "LatencyTooHigh")
    assert decisive(judgement).check == "latency.max_milliseconds"


def test_a_guard_between_two_bounds_fails_by_the_upper_and_passes_by_the_lower() -> None:
    policy = AnalysisPolicy(error_rate=None, latency=LatencyCheck(max_milliseconds=400))
    watched = Watched(policy)
    between = (0, 0, 0, 0, 0, 100, 0, 0)
    for _ in range(9):
        judgement = watched.tick(answers(9, between), answers(1, between))
    guard = next(check for check in judgement.checks if check.check == "latency.max_milliseconds")
    assert (guard.verdict, guard.code) == (Verdict.INCONCLUSIVE, "AboveLimit")


def test_different_buckets_of_the_two_revisions_are_compared_at_the_safe_bound() -> None:
    coarse = {"latency_bounds": (200.0, 1000.0), "latency_counts": (100, 0, 0)}
    watched = known()
    watched.canary = counts()
    canary = RevisionCounts(requests=100, **coarse)
    watched.canary = canary
    judgement = watched.look(generation="canary scraped differently")
    watched.canary = RevisionCounts(
        requests=900, latency_bounds=(200.0, 1000.0), latency_counts=(900, 0, 0)
    )
    judgement = watched.look(generation="canary scraped differently")
    assert judgement.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "broken",
    [
        {"latency_bounds": (), "latency_counts": ()},
        {"latency_counts": (1, 2, 3)},
        {"latency_counts": (0, 1000, 0, -5, 0, 0, 0, 0)},
        {"latency_counts": (0, math.nan, 0, 0, 0, 0, 0, 0)},
        {"latency_bounds": (10.0, 5.0, 100.0, 150.0, 250.0, 500.0, 1000.0)},
        {"latency_bounds": (10.0, 50.0, 50.0, 150.0, 250.0, 500.0, 1000.0)},
        {"latency_bounds": (math.nan, 50.0, 100.0, 150.0, 250.0, 500.0, 1000.0)},
        {"latency_bounds": (10.0, 50.0, 100.0, 150.0, 250.0, 500.0, math.inf)},
        {"latency_bounds": ("10", 50.0, 100.0, 150.0, 250.0, 500.0, 1000.0)},
    ],
)
@pytest.mark.parametrize("revision", ["stable", "canary"])
def test_a_histogram_that_cannot_be_neither_raises_nor_passes(
    revision: str, broken: dict[str, Any]
) -> None:
    watched = known()
    for _ in range(8):
        watched.tick(answers(9), answers(1))
    given: dict[str, Any] = {
        revision: getattr(watched, revision).model_copy(update={"requests": 9000} | broken)
    }
    assert watched.look(compared=True, **given).verdict is Verdict.INCONCLUSIVE


def test_buckets_are_added_up_to_a_few_without_losing_answers() -> None:
    for number in (1, 27, 28, 29, 57, 200):
        given = RevisionCounts(
            latency_bounds=tuple(float(place + 1) for place in range(number)),
            latency_counts=tuple(range(number + 1)),
        )
        bounds, numbers = thinned(given)
        small = RevisionCounts(latency_bounds=bounds, latency_counts=numbers)
        assert has_histogram(small)
        assert len(bounds) <= MOST_BUCKETS
        assert sum(numbers) == sum(given.latency_counts)
        for bound in bounds:
            assert above(small, bound) == above(given, bound)


def test_a_histogram_is_read_at_a_bound_surely_and_possibly() -> None:
    given = RevisionCounts(latency_bounds=BOUNDS, latency_counts=(1, 2, 4, 8, 16, 32, 64, 128))
    assert above(given, 100) == possibly_above(given, 100) == 248
    assert (above(given, 120), possibly_above(given, 120)) == (240, 248)
    assert (above(given, 2000), possibly_above(given, 2000)) == (0, 128)
    assert (above(given, 5), possibly_above(given, 5)) == (254, 255)


def test_a_percentile_is_interpolated_in_its_bucket() -> None:
    given = RevisionCounts(latency_bounds=(10.0, 20.0), latency_counts=(50, 50, 0))
    assert percentile_range(given, 75) == (15.0, 20.0)
    assert percentile_range(given, 50) == (10.0, 10.0)
    assert (
        percentile_range(RevisionCounts(latency_bounds=(1.0,), latency_counts=(0, 0)), 95) is None
    )
