"""Percentages out of weights."""

from collections.abc import Mapping


def percentages(weights: Mapping[str, int]) -> dict[str, int]:
    """The share of each, which add up to 100 where there is any: the largest remainders are rounded up."""
    total = sum(weights.values())
    if not total:
        return dict.fromkeys(weights, 0)
    shares = {name: weight * 100 // total for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: -(weights[name] * 100 % total))
    for name in by_remainder[: 100 - sum(shares.values())]:
        shares[name] += 1
    return shares
