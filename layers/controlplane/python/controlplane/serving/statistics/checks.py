"""The checks of a policy that compare shares, and how each counts what is bad in a window."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from controlplane.serving.analysis import (
    AnalysisPolicy,
    ErrorRateCheck,
    EventMetric,
    LatencyCheck,
    RevisionCounts,
)
from controlplane.serving.statistics.counts import EventPairs, Missing, Window
from controlplane.serving.statistics.evidence import Shares
from controlplane.serving.statistics.histograms import above, percentile_range, possibly_above

# Fewer answers of the stable revision say nothing about its percentile.
FEWEST_ANSWERS = 20

PERCENT = 100


@dataclass(frozen=True)
class Counted:
    """A window's answers: what is `surely` bad, what `possibly`, and in words from where on an answer is bad."""

    surely: Shares
    possibly: Shares
    threshold: str = ""

    @property
    def of_canary(self) -> Self:
        return replace(self, surely=self.surely.of_canary, possibly=self.possibly.of_canary)


@dataclass(frozen=True)
class ShareCheck:
    """A share of bad answers. Relative checks have an `increase`, absolute ones a `limit`, both shares.

    `name`: where it stands in the policy. `bad`: what it counts, in words ("requests failed"). `code`: that of a Fail.
    `floor`: a share of bad answers that is the canary's right whatever the stable revision's is.
    """

    name: str
    bad: str
    code: str
    count: Callable[[Window], Counted | Missing]
    increase: float = 0.0
    floor: float = 0.0
    limit: float | None = None


def share_checks(policy: AnalysisPolicy) -> tuple[ShareCheck, ...]:
    """All that the policy asks for, whether comparing or absolute."""
    found: list[ShareCheck] = []
    if policy.error_rate:
        words, rate = "requests failed", policy.error_rate
        found += _pair("error_rate", "ErrorRate", words, rate, _errors, _errors)
    if policy.latency:
        found += _latency_checks(policy.latency)
    for metric in policy.events:
        words = f"events of {metric.name} were bad"
        compare, watch = _events(metric.name, guard=False), _events(metric.name, guard=True)
        found += _pair(f"events.{metric.name}", "Metric", words, metric, compare, watch)
    return tuple(found)


def _pair(
    name: str,
    code: str,
    bad: str,
    check: ErrorRateCheck | EventMetric,
    compare: Callable[[Window], Counted | Missing],
    watch: Callable[[Window], Counted | Missing],
) -> list[ShareCheck]:
    pair = [ShareCheck(name, bad, f"{code}Higher", compare, increase=check.max_increase)]
    if check.max_share is not None:
        limit = check.max_share
        pair.append(ShareCheck(f"{name}.max_share", bad, f"{code}TooHigh", watch, limit=limit))
    return pair


def _latency_checks(check: LatencyCheck) -> list[ShareCheck]:
    """A percentile as a share: of a revision's answers `1 - percentile / 100` take longer than its percentile.

    Twice that share is the most that a canary may have beyond the bound: as with the error rate a margin is needed
    within which it counts as no worse, and one that shrinks with what the percentile leaves open.
    """
    share = 1 - check.percentile / PERCENT
    bad = "answers were slow"
    slower = ShareCheck("latency", bad, "LatencyHigher", _slow(check), increase=share, floor=share)
    if check.max_milliseconds is None:
        return [slower]
    count = _too_slow(check.max_milliseconds)
    return [
        slower,
        ShareCheck("latency.max_milliseconds", bad, "LatencyTooHigh", count, limit=share),
    ]


def _errors(window: Window) -> Counted | Missing:
    return _same(
        (window.stable.errors, window.stable.requests) if window.stable else None,
        (window.canary.errors, window.canary.requests),
    )


def _events(name: str, *, guard: bool) -> Callable[[Window], Counted | Missing]:
    def count(window: Window) -> Counted | Missing:
        added = window.events.get(name)
        if not isinstance(added, EventPairs):
            return added or Missing("NoData", f"the metric source has no data on {name}")
        if added.stable is None and window.compared and not guard:
            return Missing("NoBaseline", f"there is no data on {name} of the stable revision")
        return _same(added.stable, added.canary)

    return count


def _same(stable: tuple[int, int] | None, canary: tuple[int, int]) -> Counted | Missing:
    stable_bad, stable_all = stable or (0, 0)
    canary_bad, canary_all = canary
    if stable_bad > stable_all or canary_bad > canary_all:
        return Missing("NotANumber", "more bad ones than there are were added in this tick")
    shares = Shares(
        stable=stable_all, stable_bad=stable_bad, canary=canary_all, canary_bad=canary_bad
    )
    return Counted(shares, shares)


def _slow(check: LatencyCheck) -> Callable[[Window], Counted | Missing]:
    """Counts against a bound that only the readings before the window decide, never the answers that are judged."""

    def count(window: Window) -> Counted | Missing:
        stable, before, canary = window.stable, window.stable_before, window.canary
        if stable is None or before is None or sum(before.latency_counts) < FEWEST_ANSWERS:
            return Missing("NoBaseline", "the stable revision's times are not known yet")
        if not canary.latency_bounds:
            return Missing("NoData", "the metric source has no times of the canary's answers")
        found = percentile_range(before, check.percentile)
        if found is None:
            beyond = f"{before.latency_bounds[-1]:g} ms"
            message = f"the stable revision's percentile is beyond the last bucket ({beyond})"
            return Missing("BeyondBuckets", message)
        likely, bound = found
        surely = _slower(stable, bound, canary, above(canary, check.max_ratio * bound))
        # Within the bucket of the stable revision's percentile a histogram tells nothing apart.
        near = max(bound, _at_most(canary, check.max_ratio * likely))
        possibly = _slower(stable, near, canary, possibly_above(canary, near))
        words = f"longer than {check.max_ratio:g} x {likely:,.0f} ms"
        return Counted(surely, possibly, words)

    return count


def _at_most(counts: RevisionCounts, bound: float) -> float:
    return max((each for each in counts.latency_bounds if each <= bound), default=0.0)


def _slower(stable: RevisionCounts, bound: float, canary: RevisionCounts, slow: int) -> Shares:
    return Shares(
        stable=sum(stable.latency_counts),
        stable_bad=above(stable, bound),
        canary=sum(canary.latency_counts),
        canary_bad=slow,
    )


def _too_slow(milliseconds: float) -> Callable[[Window], Counted | Missing]:
    def count(window: Window) -> Counted | Missing:
        stable, canary = window.stable or RevisionCounts(), window.canary
        if not canary.latency_bounds:
            return Missing("NoData", "the metric source has no times of the canary's answers")
        surely = _slower(stable, milliseconds, canary, above(canary, milliseconds))
        possibly = surely._replace(canary_bad=possibly_above(canary, milliseconds))
        return Counted(surely, possibly, f"longer than {milliseconds:,.0f} ms")

    return count
