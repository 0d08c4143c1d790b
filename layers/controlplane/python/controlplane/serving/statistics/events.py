"""Metrics of the user's own that count: what each has added, whatever became of the others.

The queries of people fail one by one, and their answers may shrink (`increase()` guesses what lies beyond its samples).
So each metric has a baseline of its own: the last pair that was known. A query that fails for a tick leaves it where it
is, for both revisions, and the next window is longer for both alike.
"""

from collections.abc import Mapping

from controlplane.serving.analysis import AnalysisPolicy, Reading, RevisionCounts
from controlplane.serving.statistics.counts import EventPairs, Missing, is_count

Pair = tuple[int, int]


def take_events(
    policy: AnalysisPolicy, known: Mapping[str, EventPairs], reading: Reading
) -> tuple[dict[str, EventPairs], dict[str, EventPairs | Missing]]:
    """The pairs that the next reading is compared with, and what was added to those before, or why nothing is known."""
    after: dict[str, EventPairs] = {}
    added: dict[str, EventPairs | Missing] = {}
    for metric in policy.events:
        before = known.get(metric.name)
        now = _pairs(metric.name, before, reading)
        added[metric.name] = _added(metric.name, before, now)
        found = now or before
        if found is not None:
            after[metric.name] = found
    return after, added


def _pairs(name: str, before: EventPairs | None, reading: Reading) -> EventPairs | None:
    """None without the canary's: then the stable revision's waits, so that both have the same stretch of time."""
    canary = _pair(reading.canary, name, before.canary[0] if before else 0)
    if canary is None:
        return None
    bad = before.stable_bad if before else 0
    stable = _pair(reading.stable, name, bad)
    return EventPairs(canary, stable, stable[0] if stable else bad)


def _pair(counts: RevisionCounts | None, name: str, bad_before: int) -> Pair | None:
    """A series of bad ones that was there and is not has been missed: only where there were none it means 0."""
    bad, total = counts.events.get(name, (None, None)) if counts else (None, None)
    if bad is None and not bad_before:
        bad = 0
    if not is_count(bad) or not is_count(total):
        return None
    return (bad, total) if bad <= total else None


def _added(name: str, before: EventPairs | None, now: EventPairs | None) -> EventPairs | Missing:
    if now is None:
        return Missing("NoData", f"the metric source has no data on {name} of the canary")
    if before is None:
        first = f"the first figures of {name} are what later ones are compared with"
        return Missing("FirstReading", first)
    canary = _difference(before.canary, now.canary)
    stable = _difference(before.stable, now.stable) if before.stable and now.stable else None
    if any(number < 0 for pair in (canary, stable) if pair for number in pair):
        reset = f"the counts of {name} went down; what they counted meanwhile is left out"
        return Missing("CounterReset", reset)
    return EventPairs(canary, stable)


def _difference(before: Pair, now: Pair) -> Pair:
    return now[0] - before[0], now[1] - before[1]
