"""Bounds of an unknown share that hold at every moment at once, however often they are looked at.

The beta-binomial mixture of Robbins (Annals of Mathematical Statistics 41, 1970) with Jeffreys' prior: every share is
kept whose likelihood is not `1 / alpha` times smaller than the mixture's.
"""

import math
from collections.abc import Callable

PRIOR = 0.5
_HALVINGS = 50


def upper_bound(bad: int, total: int, alpha: float) -> float:
    """The largest share of bad answers that is not refuted; 1 without any answer."""
    if total <= 0 or bad >= total:
        return 1.0
    refutes = _refuter(bad, total, alpha)
    return _boundary(bad / total, 1.0, refutes)


def lower_bound(bad: int, total: int, alpha: float) -> float:
    """The smallest share of bad answers that is not refuted; 0 without any answer."""
    if total <= 0 or bad <= 0:
        return 0.0
    refutes = _refuter(bad, total, alpha)
    return _boundary(bad / total, 0.0, refutes)


def _refuter(bad: int, total: int, alpha: float) -> Callable[[float], bool]:
    good = total - bad
    mixture = _log_beta(bad + PRIOR, good + PRIOR) - _log_beta(PRIOR, PRIOR)
    least = mixture + math.log(alpha)

    def refutes(share: float) -> bool:
        if share in (0.0, 1.0):
            return True
        return bad * math.log(share) + good * math.log1p(-share) <= least

    return refutes


def _boundary(inside: float, outside: float, refutes: Callable[[float], bool]) -> float:
    """The refuted end of an interval that shrinks to the boundary, so that no bound is too narrow by rounding."""
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if refutes(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
