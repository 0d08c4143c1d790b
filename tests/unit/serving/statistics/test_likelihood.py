"""A tick's factors are at most 1 on average while the canary is not worse: counted out, not sampled."""

import math
from itertools import product

import pytest

from controlplane.serving.statistics import likelihood
from controlplane.serving.statistics.evidence import Shares
from controlplane.serving.statistics.likelihood import (
    absolute_factors,
    bounded_expectations,
    relative_factors,
)
from controlplane.serving.statistics.odds import GRID_SIZE, LOG_RATIOS

SIZES = [(1, 1), (3, 2), (9, 1), (2, 9), (12, 6), (20, 10)]
RATES = [0.001, 0.03, 0.3, 0.5, 0.9, 0.999]


def binomial(number: int, rate: float) -> list[float]:
    return [
        math.comb(number, bad) * rate**bad * (1 - rate) ** (number - bad)
        for bad in range(number + 1)
    ]


def expectations(stable: int, canary: int, base: float, rate: float) -> list[float]:
    """Of the factor at each ratio, over all that can happen in one tick."""
    sums = [0.0] * GRID_SIZE
    chances = product(enumerate(binomial(stable, base)), enumerate(binomial(canary, rate)))
    for (stable_bad, one), (canary_bad, other) in chances:
        tick = Shares(stable=stable, stable_bad=stable_bad, canary=canary, canary_bad=canary_bad)
        for place, factor in enumerate(relative_factors(tick)):
            sums[place] += one * other * math.exp(factor)
    return sums


@pytest.mark.parametrize("exact_up_to", [likelihood.EXACT_UP_TO, 0], ids=["exact", "bounded"])
@pytest.mark.parametrize(("stable", "canary"), SIZES)
def test_no_canary_that_is_not_worse_wins_evidence(
    stable: int, canary: int, exact_up_to: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "EXACT_UP_TO", exact_up_to)
    for base, rate in product(RATES, RATES):
        if rate <= base:
            assert max(expectations(stable, canary, base, rate)) <= 1


@pytest.mark.parametrize(("stable", "canary"), SIZES)
def test_at_equal_quality_nothing_is_given_away(stable: int, canary: int) -> None:
    for base in RATES:
        assert min(expectations(stable, canary, base, base)) == pytest.approx(1, abs=1e-6)


def test_a_worse_canary_wins_evidence() -> None:
    assert max(expectations(20, 10, 0.03, 0.3)) > 2


@pytest.mark.parametrize(("stable", "canary"), [(9, 1), (12, 6), (200, 40), (255, 300)])
def test_the_bound_for_large_ticks_is_above_the_exact_sum(stable: int, canary: int) -> None:
    for bad in range(0, stable + canary + 1, max(1, (stable + canary) // 40)):
        exact = [
            -factor + likelihood.ROUNDING for factor in _without_canary_bad(stable, canary, bad)
        ]
        bounds = bounded_expectations(stable, canary, bad)
        assert all(bound >= sum_ - 1e-7 for bound, sum_ in zip(bounds, exact, strict=True))


def test_the_bound_costs_little_where_errors_are_rare() -> None:
    exact = _without_canary_bad(230, 25, 3)
    bounds = bounded_expectations(230, 25, 3)
    assert -exact[0] == pytest.approx(bounds[0], rel=0.02)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 1.0])
def test_no_canary_within_its_limit_wins_evidence(share: float) -> None:
    for rate in [*RATES, share]:
        if rate > share:
            continue
        for number in (1, 7, 30):
            sums = [0.0] * GRID_SIZE
            for bad, chance in enumerate(binomial(number, rate)):
                factors = absolute_factors(Shares(canary=number, canary_bad=bad), share)
                for place, factor in enumerate(factors):
                    sums[place] += chance * math.exp(factor)
            assert max(sums) <= 1


def _without_canary_bad(stable: int, canary: int, bad: int) -> list[float]:
    """The factors of a tick less what its own bad canary answers add."""
    canary_bad = max(0, bad - stable)
    tick = Shares(stable=stable, stable_bad=bad - canary_bad, canary=canary, canary_bad=canary_bad)
    factors = zip(relative_factors(tick), LOG_RATIOS, strict=True)
    return [factor - canary_bad * ratio for factor, ratio in factors]
