"""How well one tick's counts speak for a canary that is worse, at each odds ratio of a fixed grid.

Every function gives log factors whose expectation is at most 1 while the canary is not worse (e-variables): the
product over any number of ticks stays so, whenever it is looked at.

Sources: Hoeffding, Probability inequalities for sums of bounded random variables, JASA 58 (1963), section 6;
ter Schure, Pérez-Ortiz, Ly, Grünwald, The anytime-valid logrank test, New England Journal of Statistics in Data Science
2 (2024), arXiv 2011.06931.
"""

import math

from controlplane.serving.statistics.evidence import Shares
from controlplane.serving.statistics.odds import LOG_RATIOS, log_sum

EXACT_UP_TO = 256  # answers of the smaller side: a sum of as many terms for each ratio
# The sums are right to some 1e-13 of themselves; what may be lost is given to the null hypothesis.
ROUNDING = 1e-9


def relative_factors(tick: Shares) -> tuple[float, ...]:
    """Log factors of "the canary's odds of a bad answer are `r` times the stable revision's" against "not more".

    Given the number of bad answers among both, the canary's part of them is hypergeometric when both are equal and
    stochastically smaller when the canary is better; the common rate of that tick drops out, so it may be another in
    each tick. The factor is `r ** canary_bad` divided by its expectation under equality.
    """
    bad = tick.stable_bad + tick.canary_bad
    expect = (
        _exact_expectations
        if min(tick.stable, tick.canary) <= EXACT_UP_TO
        else bounded_expectations
    )
    expectations = expect(tick.stable, tick.canary, bad)
    return tuple(
        tick.canary_bad * ratio - expected - ROUNDING
        for ratio, expected in zip(LOG_RATIOS, expectations, strict=True)
    )


def absolute_factors(tick: Shares, share: float) -> tuple[float, ...]:
    """Log factors of "the odds of a bad answer are `r` times those of `share`" against "at most `share` are bad"."""
    return tuple(
        tick.canary_bad * ratio - tick.canary * math.log1p(share * math.expm1(ratio)) - ROUNDING
        for ratio in LOG_RATIOS
    )


def _exact_expectations(stable: int, canary: int, bad: int) -> list[float]:
    """log E[r ** X], X the canary's part of `bad` answers drawn from all without replacement."""
    smallest, largest = max(0, bad - stable), min(bad, canary)
    weights = [0.0]
    for x in range(smallest, largest):
        odds = (canary - x) * (bad - x) / ((x + 1) * (stable - bad + x + 1))
        weights.append(weights[-1] + math.log(odds))
    total = log_sum(weights)
    return [
        log_sum([weight + x * ratio for x, weight in enumerate(weights, smallest)]) - total
        for ratio in LOG_RATIOS
    ]


def bounded_expectations(stable: float, canary: float, bad: float) -> list[float]:
    """The same from above: a draw with replacement has the larger expectation of every convex function.

    Which of the two halves is drawn from the other, and whether good or bad ones are counted, is ours to choose.
    """
    every, good = stable + canary, stable + canary - bad
    return [
        min(
            bad * math.log1p(canary / every * math.expm1(ratio)),
            canary * math.log1p(bad / every * math.expm1(ratio)),
            canary * ratio + good * math.log1p(canary / every * math.expm1(-ratio)),
            bad * ratio + stable * math.log1p(bad / every * math.expm1(-ratio)),
        )
        for ratio in LOG_RATIOS
    ]
