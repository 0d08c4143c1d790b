"""The evidence of many ticks: what is bet is at most what there is, and it survives being written down."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.serving.statistics.evidence import Shares
from controlplane.serving.statistics.likelihood import relative_factors
from controlplane.serving.statistics.odds import GRID_SIZE, log_sum
from controlplane.serving.statistics.process import (
    EvidenceProcess,
    absorb,
    log_evidence,
    unspent,
)

# A busy machine is no failure.
TICKS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 60), st.integers(1, 30), st.integers(0, 30)),
    max_size=30,
)


def tick(numbers: tuple[int, int, int, int]) -> Shares:
    stable, stable_bad, canary, canary_bad = numbers
    return Shares(
        stable=stable,
        stable_bad=min(stable, stable_bad),
        canary=canary,
        canary_bad=min(canary, canary_bad),
    )


def test_no_more_is_bet_than_there_is() -> None:
    placed = [unspent(number) - unspent(number + 1) for number in range(10_000)]
    assert min(placed) > 0
    assert sum(placed) + unspent(10_000) == pytest.approx(1)


def test_without_information_evidence_stays_one() -> None:
    process = EvidenceProcess()
    assert log_evidence(process) == 0
    for _ in range(200):
        process = absorb(process, (0.0,) * GRID_SIZE)
    assert -0.03 < log_evidence(process) <= 0


def test_two_ticks_multiply_and_later_ones_begin_anew() -> None:
    """Against the definition: a weighted sum over ratios and over the tick from which on the canary is worse."""
    ticks = [tick((30, 1, 10, 3)), tick((20, 0, 10, 2)), tick((30, 2, 5, 1))]
    process = EvidenceProcess()
    for each in ticks:
        process = absorb(process, relative_factors(each))
    terms = [math.log(unspent(3))]
    for first in range(3):
        for ratio in range(GRID_SIZE):
            product = sum(relative_factors(each)[ratio] for each in ticks[first:])
            terms.append(product + math.log((unspent(first) - unspent(first + 1)) / GRID_SIZE))
    assert log_evidence(process) == pytest.approx(log_sum(terms), abs=1e-3)
    assert log_evidence(process) <= log_sum(terms)


@given(TICKS)
def test_written_down_and_read_again_it_goes_on_bit_for_bit(
    numbers: list[tuple[int, int, int, int]],
) -> None:
    kept = written = EvidenceProcess()
    for each in map(tick, numbers):
        kept = absorb(kept, relative_factors(each))
        written = EvidenceProcess.model_validate_json(written.model_dump_json())
        written = absorb(written, relative_factors(each))
    assert kept == written
    assert kept.peak >= log_evidence(kept) - 1e-4


@given(TICKS.filter(bool), st.data())
def test_one_more_bad_answer_of_the_canary_never_lessens_the_evidence(
    numbers: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    ticks = list(map(tick, numbers))
    place = data.draw(st.integers(0, len(ticks) - 1))
    worse = list(ticks)
    more = min(worse[place].canary, worse[place].canary_bad + 1)
    worse[place] = worse[place]._replace(canary_bad=more)
    assert _peak(worse) >= _peak(ticks)


def test_more_bad_answers_never_lessen_the_evidence_of_large_ticks() -> None:
    for stable, canary in ((300, 256), (300, 257), (2570, 400)):
        for stable_bad in (0, 1, stable // 10, stable // 2):
            peaks = [_peak([tick((stable, stable_bad, canary, bad))]) for bad in range(canary + 1)]
            assert peaks == sorted(peaks)


def _peak(ticks: list[Shares]) -> float:
    process = EvidenceProcess()
    for each in ticks:
        process = absorb(process, relative_factors(each))
    return process.peak
