"""Readings for tests: what stable revision and canary have answered, a tick after the other."""

from datetime import UTC, datetime, timedelta

from controlplane.serving.analysis import (
    AnalysisPolicy,
    CheckResult,
    ErrorRateCheck,
    Judgement,
    Reading,
    RevisionCounts,
)
from controlplane.serving.statistics.judging import Evidence, begin_step, judge

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TICK = timedelta(seconds=5)
BOUNDS = (10.0, 50.0, 100.0, 150.0, 250.0, 500.0, 1000.0)
ERRORS_ONLY = AnalysisPolicy(latency=None)


def counts(
    requests: int = 0, errors: int = 0, latencies: tuple[int, ...] | None = None
) -> RevisionCounts:
    """Without `latencies` all answers are in the second bucket: 10 to 50 ms."""
    numbers = latencies or (0, requests, 0, 0, 0, 0, 0, 0)
    return RevisionCounts(
        requests=requests, errors=errors, latency_bounds=BOUNDS, latency_counts=numbers
    )


def added(before: RevisionCounts, more: RevisionCounts) -> RevisionCounts:
    pairs = zip(before.latency_counts, more.latency_counts, strict=True)
    events = {
        name: tuple(
            one + other for one, other in zip(_pair(before, name), _pair(more, name), strict=True)
        )
        for name in more.events
    }
    return RevisionCounts.model_validate(
        {
            "requests": before.requests + more.requests,
            "errors": before.errors + more.errors,
            "latency_bounds": more.latency_bounds,
            "latency_counts": tuple(one + other for one, other in pairs),
            "events": events,
        }
    )


def _pair(counted: RevisionCounts, name: str) -> tuple[int, int]:
    bad, total = counted.events.get(name, (0, 0))
    return bad or 0, total


class Watched:
    """A rollout that is watched: every tick is a reading of all that was answered so far."""

    def __init__(self, policy: AnalysisPolicy = ERRORS_ONLY, *, begun: bool = True) -> None:
        self.policy = policy
        self.evidence = Evidence()
        self.moment = NOON
        self.stable, self.canary = counts(), counts()
        if begun:
            self.look()

    def tick(
        self,
        stable: tuple[int, int] | RevisionCounts = (0, 0),
        canary: tuple[int, int] | RevisionCounts = (0, 0),
        /,
        *,
        compared: bool = True,
        **changed: object,
    ) -> Judgement:
        """Five seconds later so many more requests and errors of each."""
        self.moment += TICK
        self.stable = added(self.stable, _counts(stable))
        self.canary = added(self.canary, _counts(canary))
        return self.look(compared=compared, **changed)

    def look(self, *, compared: bool = True, **changed: object) -> Judgement:
        reading = Reading(observed_at=self.moment, stable=self.stable, canary=self.canary)
        reading = reading.model_copy(update=changed)
        self.evidence, judgement = judge(
            self.policy, self.evidence, reading, moment=self.moment, compared=compared
        )
        return judgement

    def begin_step(self) -> None:
        self.evidence = begin_step(self.evidence)


def _counts(given: tuple[int, int] | RevisionCounts) -> RevisionCounts:
    return given if isinstance(given, RevisionCounts) else counts(*given)


def decisive(judgement: Judgement) -> CheckResult:
    assert judgement.decisive is not None
    return judgement.decisive


def guarded(max_share: float) -> AnalysisPolicy:
    return AnalysisPolicy(error_rate=ErrorRateCheck(max_share=max_share), latency=None)
