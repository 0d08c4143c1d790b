"""From one reading to the next: what was added in between, or why that cannot be told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controlplane.serving.analysis import AnalysisPolicy, Reading, RevisionCounts
from controlplane.serving.statistics.counts import (
    EventPairs,
    Missing,
    Window,
    difference,
    is_sound,
)
from controlplane.serving.statistics.events import take_events
from controlplane.serving.statistics.evidence import Baseline, Evidence
from controlplane.serving.statistics.histograms import has_histogram, thinned

# A canary that gets its share goes without a request for so long with a chance of exp(-20) only.
EXPECTED_REQUESTS = 20
DARK_FROM, DARK_AT_LATEST = (
    20,
    200,
)  # requests of the stable revision, where the share is not known yet


def take_window(
    policy: AnalysisPolicy,
    evidence: Evidence,
    reading: Reading,
    *,
    moment: datetime,
    compared: bool,
) -> tuple[Evidence, Window | None, Missing | None]:
    """The evidence with the reading as the new baseline, and what was added since the one before.

    Without a window there is a reason. A reading that says nothing of the present (none, stale, older than the last,
    impossible numbers) leaves the baseline where it is; what happened meanwhile is in the next good one.
    """
    missing = _unusable(policy, evidence, reading, moment, compared=compared)
    if missing or reading.observed_at is None:
        return evidence, None, missing
    last = evidence.last
    same = last is not None and last.generation == reading.generation
    known: dict[str, EventPairs] = last.events if last and same else {}
    events, added = take_events(policy, known, reading)
    baseline = Baseline(
        observed_at=_aware(reading.observed_at),
        generation=reading.generation,
        stable=_needed(policy, reading.stable) if reading.stable else None,
        canary=_needed(policy, reading.canary or RevisionCounts()),
        events=events,
    )
    moved = evidence.model_copy(update={"last": baseline})
    if last is None:
        first = "the first reading is what later ones are compared with"
        return moved, None, Missing("FirstReading", first)
    window = _added(last, baseline)
    if window is None:
        reset = "counters began anew; what they counted meanwhile is left out"
        # What people's own metrics have added is not judged without a window, and comes with the next one.
        held = baseline.model_copy(update={"events": known}) if same else baseline
        moved = evidence.model_copy(update={"last": held})
        return moved, None, Missing("CounterReset", reset)
    window = replace(window, events_before=known, events=added, compared=compared)
    return _counted(moved, window), window, None


def find_obstacle(policy: AnalysisPolicy, evidence: Evidence, *, compared: bool) -> Missing | None:
    """Why the step's own traffic cannot prove a canary good yet."""
    if compared and (evidence.last is None or evidence.last.stable is None):
        return Missing("NoBaseline", "the metric source has no data on the stable revision")
    if compared and _is_dark(policy, evidence):
        waited = f"the stable revision answered {evidence.unanswered:,} requests since"
        last = (
            "the canary's last one" if evidence.step_canary else "the step began, the canary none"
        )
        return Missing("DarkCanary", f"{waited} {last}: does the route reach the canary?")
    if evidence.step_canary < policy.min_requests:
        message = (
            f"{evidence.step_canary:,} of {policy.min_requests:,} canary requests in this step"
        )
        return Missing("TooFewRequests", message)
    return None


def _unusable(
    policy: AnalysisPolicy,
    evidence: Evidence,
    reading: Reading,
    moment: datetime,
    *,
    compared: bool,
) -> Missing | None:
    if reading.observed_at is None or (reading.stable is None and reading.canary is None):
        return Missing("NoData", "the metric source has no data on stable revision and canary")
    stale = _staleness(policy, evidence, _aware(reading.observed_at), _aware(moment))
    if stale:
        return stale
    if not all(is_sound(each) for each in (reading.stable, reading.canary) if each):
        return Missing("NotANumber", "the metric source gave counts that cannot be")
    asked = not compared or (evidence.last and evidence.last.canary.requests)
    if reading.canary is None and asked:
        return Missing("NoData", "the metric source has no data on the canary")
    return None


def _staleness(
    policy: AnalysisPolicy, evidence: Evidence, observed_at: datetime, moment: datetime
) -> Missing | None:
    age, allowed = moment - observed_at, timedelta(seconds=policy.max_age_seconds)
    if age > allowed:
        return Missing("StaleData", f"the newest data is {age.total_seconds():,.0f} s old")
    if age < -allowed:
        ahead = f"the data is dated {-age.total_seconds():,.0f} s in the future: compare the clocks"
        return Missing("StaleData", ahead)
    if evidence.last and observed_at < evidence.last.observed_at:
        return Missing("StaleData", "the data is older than what was seen before")
    return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _needed(policy: AnalysisPolicy, counts: RevisionCounts) -> RevisionCounts:
    bounds, numbers = thinned(counts) if policy.latency and has_histogram(counts) else ((), ())
    return RevisionCounts(
        requests=counts.requests,
        errors=counts.errors,
        latency_bounds=bounds,
        latency_counts=numbers,
    )


def _added(last: Baseline, now: Baseline) -> Window | None:
    if last.generation != now.generation:
        return None
    canary = difference(last.canary, now.canary)
    if canary is None:
        return None
    if last.stable is None or now.stable is None:
        return Window(stable_before=None, stable=None, canary=canary)
    stable = difference(last.stable, now.stable)
    return Window(stable_before=last.stable, stable=stable, canary=canary) if stable else None


def _counted(evidence: Evidence, window: Window) -> Evidence:
    stable, canary = window.stable.requests if window.stable else 0, window.canary.requests
    return evidence.model_copy(
        update={
            "step_stable": evidence.step_stable + stable,
            "step_canary": evidence.step_canary + canary,
            "unanswered": 0 if canary else evidence.unanswered + stable,
        }
    )


def _is_dark(policy: AnalysisPolicy, evidence: Evidence) -> bool:
    if evidence.step_canary:
        share = evidence.step_canary / max(1, evidence.step_stable + evidence.step_canary)
        return evidence.unanswered * share >= EXPECTED_REQUESTS
    return evidence.unanswered >= min(max(policy.min_requests, DARK_FROM), DARK_AT_LATEST)
