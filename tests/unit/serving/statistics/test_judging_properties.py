"""What holds for every reading that a source may give."""

import math
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controlplane.serving.analysis import (
    AnalysisPolicy,
    ErrorRateCheck,
    EventMetric,
    Judgement,
    LatencyCheck,
    Reading,
    RevisionCounts,
    ValueMetric,
    Verdict,
)
from controlplane.serving.statistics.judging import Evidence, begin_step, judge
from tests.unit.serving.statistics.readings import BOUNDS, NOON, TICK, Watched

FULL = AnalysisPolicy(
    error_rate=ErrorRateCheck(max_share=0.5),
    latency=LatencyCheck(max_milliseconds=200),
    events=(EventMetric(name="refusals", bad_query="b", total_query="t", max_share=0.5),),
    values=(ValueMetric(name="drift", query="q", max=1, max_ratio=2),),
)
ODD: st.SearchStrategy[Any] = st.one_of(
    st.integers(-5, 10**6),
    st.sampled_from([math.nan, math.inf, -math.inf, None, "7", True, 2**53, 10**400, 1.5]),
)
ODD_COUNTS = st.builds(
    RevisionCounts.model_construct,
    requests=ODD,
    errors=ODD,
    latency_bounds=st.one_of(st.just(BOUNDS), st.lists(ODD, max_size=8).map(tuple)),
    latency_counts=st.lists(ODD, max_size=9).map(tuple),
    events=st.dictionaries(st.sampled_from(["refusals", "x"]), st.tuples(ODD, ODD), max_size=2),
)
ODD_READINGS = st.builds(
    Reading.model_construct,
    observed_at=st.one_of(
        st.none(), st.integers(-500, 500).map(lambda seconds: NOON + timedelta(seconds=seconds))
    ),
    stable=st.none() | ODD_COUNTS,
    canary=st.none() | ODD_COUNTS,
    values=st.dictionaries(st.sampled_from(["drift"]), st.tuples(ODD, ODD), max_size=1),
    generation=st.sampled_from(["", "", "other"]),
)
# A busy machine is no failure.
# Requests and errors of stable revision and canary in a tick.
TICKS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 20), st.integers(0, 60), st.integers(0, 20)),
    min_size=1,
    max_size=12,
)
Numbers = tuple[int, int, int, int]


@given(st.lists(st.tuples(ODD_READINGS, st.booleans(), st.booleans()), max_size=6))
def test_nothing_that_a_source_says_raises_and_nothing_odd_passes(
    readings: list[tuple[Reading, bool, bool]],
) -> None:
    evidence = Evidence()
    for reading, compared, new_step in readings:
        evidence = begin_step(evidence) if new_step else evidence
        evidence, judgement = judge(FULL, evidence, reading, moment=NOON, compared=compared)
        assert judgement.checks
        assert judgement.decisive is not None
        again = Evidence.model_validate_json(evidence.model_dump_json())
        assert again == evidence
        Judgement.model_validate_json(judgement.model_dump_json())
        if evidence.step_canary < FULL.min_requests or reading.observed_at is None:
            assert judgement.verdict is not Verdict.PASS


@given(TICKS, st.data())
def test_no_pass_without_requests_data_or_freshness(
    ticks: list[Numbers], data: st.DataObject
) -> None:
    watched = Watched(AnalysisPolicy(latency=None, min_requests=30))
    for numbers in ticks:
        fault = data.draw(st.sampled_from(["none", "old", "canary", "stable", "", "", ""]))
        faults: dict[str, dict[str, Any]] = {
            "none": {"observed_at": None},
            "old": {"observed_at": watched.moment - timedelta(hours=1)},
            "canary": {"canary": None},
            "stable": {"stable": None},
        }
        changed = faults.get(fault, {})
        judgement = watched.tick(*_sound(numbers), compared=True, **changed)
        if fault or watched.evidence.step_canary < 30:
            assert judgement.verdict is not Verdict.PASS


@given(TICKS, st.data())
def test_more_errors_of_the_canary_never_turn_a_fail_into_a_pass(
    ticks: list[Numbers], data: st.DataObject
) -> None:
    order = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}
    policy = AnalysisPolicy(error_rate=ErrorRateCheck(max_share=0.3), latency=None)
    watched, worse = Watched(policy), Watched(policy)
    for numbers in ticks:
        stable, (canary, errors) = _sound(numbers)
        more = data.draw(st.integers(errors, canary))
        one = watched.tick(stable, (canary, errors))
        other = worse.tick(stable, (canary, more))
        assert order[other.verdict] >= order[one.verdict]


@given(TICKS)
def test_equal_shares_of_errors_leave_the_evidence_small(ticks: list[Numbers]) -> None:
    watched = Watched()
    for requests, some, *_ in ticks:
        errors = min(requests, some)
        judgement = watched.tick((requests * 3, errors * 3), (requests, errors))
    evidence = judgement.checks[0].evidence
    assert evidence is not None
    assert evidence < 4


@given(TICKS)
def test_whether_a_tick_is_looked_at_in_two_halves_hardly_matters(ticks: list[Numbers]) -> None:
    whole, halves = Watched(), Watched()
    for numbers in ticks:
        stable, canary = _sound(numbers)
        whole.tick((stable[0] * 2, stable[1] * 2), (canary[0] * 2, canary[1] * 2))
        halves.tick(stable, canary)
        halves.tick(stable, canary)
    one, other = _peak(whole), _peak(halves)
    assert abs(one - other) <= 1.5 + 0.3 * max(one, other)


@given(TICKS)
def test_a_rollout_goes_on_from_json_bit_for_bit(ticks: list[Numbers]) -> None:
    kept, written = Watched(FULL), Watched(FULL)
    for numbers in ticks:
        stable, canary = _sound(numbers)
        written.evidence = Evidence.model_validate_json(written.evidence.model_dump_json())
        assert kept.tick(stable, canary) == written.tick(stable, canary)
        assert kept.evidence == written.evidence


@given(TICKS, st.integers(1, 5))
def test_looking_more_often_changes_nothing(ticks: list[Numbers], looks: int) -> None:
    once, often = Watched(), Watched()
    for numbers in ticks:
        stable, canary = _sound(numbers)
        judgement = once.tick(stable, canary)
        again = often.tick(stable, canary)
        for _ in range(looks):
            often.moment += TICK
            again = often.look()
        assert judgement.checks == again.checks


@given(TICKS)
def test_a_stale_reading_in_between_loses_nothing(ticks: list[Numbers]) -> None:
    plain, disturbed = Watched(), Watched()
    for numbers in ticks:
        stable, canary = _sound(numbers)
        plain.tick(stable, canary)
        disturbed.look(observed_at=None)
        disturbed.tick(stable, canary)
    assert plain.evidence == disturbed.evidence


def _sound(numbers: Numbers) -> tuple[tuple[int, int], tuple[int, int]]:
    stable, stable_bad, canary, canary_bad = numbers
    return (stable, min(stable, stable_bad)), (canary, min(canary, canary_bad))


def _peak(watched: Watched) -> float:
    checks = watched.evidence.shares
    return checks["error_rate"].process.peak if checks else 0.0
