"""Latency histograms as sources give them: checked, made small, and read at a bound."""

import math
from itertools import pairwise

from controlplane.serving.analysis import RevisionCounts
from controlplane.serving.statistics.counts import is_count

MOST_BUCKETS = 28
DIGITS = 6  # of a bound: those that come from a formula have many


def has_histogram(counts: RevisionCounts) -> bool:
    """Whether there is one, with finite bounds that grow and a count for each and for what is beyond."""
    bounds, numbers = counts.latency_bounds, counts.latency_counts
    return (
        bool(bounds)
        and len(numbers) == len(bounds) + 1
        and all(is_count(number) for number in numbers)
        and all(isinstance(bound, int | float) and 0 < bound < math.inf for bound in bounds)
        and all(one < next_one for one, next_one in pairwise(bounds))
    )


def thinned(counts: RevisionCounts) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Bounds and counts of at most MOST_BUCKETS bounds: neighbours are added up, nothing is lost."""
    bounds, numbers = counts.latency_bounds, counts.latency_counts
    width = -(-len(bounds) // MOST_BUCKETS)
    kept = tuple(float(f"{bound:.{DIGITS}g}") for bound in bounds[width - 1 :: width])
    ends = [*range(width, len(kept) * width + 1, width), len(numbers)]
    starts = [0, *ends[:-1]]
    return kept, tuple(sum(numbers[start:end]) for start, end in zip(starts, ends, strict=True))


def above(counts: RevisionCounts, bound: float) -> int:
    """Answers that took longer than the smallest of its bounds that is at least `bound`; 0 if it is beyond all."""
    place = next((at for at, each in enumerate(counts.latency_bounds) if each >= bound), None)
    return 0 if place is None else sum(counts.latency_counts[place + 1 :])


def possibly_above(counts: RevisionCounts, bound: float) -> int:
    """Answers of which it is not known that they took at most `bound`."""
    within = sum(1 for each in counts.latency_bounds if each <= bound)
    return sum(counts.latency_counts[within:])


def percentile_range(counts: RevisionCounts, percentile: float) -> tuple[float, float] | None:
    """The percentile in ms, interpolated in its bucket, and the bucket's upper bound; None where there is none.

    There is none without answers, and where the percentile is beyond the last bound.
    """
    total = sum(counts.latency_counts)
    wanted, below, lower = total * percentile / 100, 0, 0.0
    if not total:
        return None
    for bound, number in zip(counts.latency_bounds, counts.latency_counts, strict=False):
        if number and below + number >= wanted:
            return lower + (bound - lower) * (wanted - below) / number, bound
        below, lower = below + number, bound
    return None
