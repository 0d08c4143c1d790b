"""Bounds of a share that hold all the time."""

import math

import pytest

from controlplane.serving.statistics.bounds import lower_bound, upper_bound
from controlplane.serving.statistics.evidence import Shares
from controlplane.serving.statistics.shares import largest_increase


def test_without_answers_everything_is_possible() -> None:
    assert (lower_bound(0, 0, 0.05), upper_bound(0, 0, 0.05)) == (0, 1)
    assert lower_bound(0, 50, 0.05) == 0
    assert upper_bound(50, 50, 0.05) == 1


@pytest.mark.parametrize(("bad", "total"), [(0, 10), (1, 10), (5, 10), (3, 2000), (999, 1000)])
def test_the_bound_is_where_the_mixture_has_the_wanted_odds(bad: int, total: int) -> None:
    """The mixture of Jeffreys' prior in closed form, divided by the likelihood of the bound."""
    share = upper_bound(bad, total, 0.05)
    mixture = (
        math.exp(math.lgamma(bad + 0.5) + math.lgamma(total - bad + 0.5) - math.lgamma(total + 1))
        / math.pi
    )
    likelihood = share**bad * (1 - share) ** (total - bad)
    assert mixture / likelihood == pytest.approx(20, rel=1e-6)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_a_share_leaves_its_bounds_at_any_time_as_seldom_as_promised(share: float) -> None:
    """Looked at after each of 100 answers, as intervals of a fixed size must not be; counted out, not sampled."""
    inside, outside = {0: 1.0}, 0.0
    for total in range(1, 101):
        after: dict[int, float] = {}
        for bad, chance in inside.items():
            after[bad + 1] = after.get(bad + 1, 0.0) + chance * share
            after[bad] = after.get(bad, 0.0) + chance * (1 - share)
        inside = {bad: chance for bad, chance in after.items() if _holds(bad, total, share)}
        outside += sum(after.values()) - sum(inside.values())
    assert 0 < outside <= 0.1


def _holds(bad: int, total: int, share: float) -> bool:
    return lower_bound(bad, total, 0.1) <= share <= upper_bound(bad, total, 0.1)


def test_more_answers_and_less_confidence_narrow_the_bounds() -> None:
    widths = [
        upper_bound(n // 10, n, 0.05) - lower_bound(n // 10, n, 0.05) for n in (20, 200, 2000)
    ]
    assert widths == sorted(widths, reverse=True)
    assert upper_bound(2, 20, 0.3) < upper_bound(2, 20, 0.01)


def test_each_of_two_shares_gets_half_of_what_may_go_wrong() -> None:
    shares = Shares(stable=900, stable_bad=90, canary=100, canary_bad=12)
    highest, lowest = upper_bound(12, 100, 0.025), lower_bound(90, 900, 0.025)
    assert largest_increase(shares, 0.95) == pytest.approx(highest - lowest)
    assert largest_increase(shares, 0.95, floor=0.11) == pytest.approx(highest - 0.11)
