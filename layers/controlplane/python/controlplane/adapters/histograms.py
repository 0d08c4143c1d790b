"""Histograms as Prometheus has them, brought into the form of a reading."""

import math
from collections import defaultdict
from collections.abc import Iterable


def latency_buckets(
    cumulative: Iterable[tuple[str, float]], to_milliseconds: float
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Bounds in ms and the answers in each bucket, of a histogram's `le` and cumulative counts.

    Those of one `le` are added up, for histograms that several labels part. Without +Inf there is no histogram.
    """
    sums: defaultdict[float, float] = defaultdict(float)
    for text, count in cumulative:
        sums[float(text)] += count
    bounds = sorted(sums)
    if not bounds or not math.isinf(bounds[-1]):
        return (), ()
    counts, below = [], 0
    for bound in bounds:
        # A scrape between two increments may show a larger bucket behind a smaller one.
        upto = max(below, round(sums[bound]))
        counts.append(upto - below)
        below = upto
    return tuple(bound * to_milliseconds for bound in bounds[:-1]), tuple(counts)
