"""What a rollout's analysis is told, what it sees and what it says. How it judges is in `serving.statistics`."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from controlplane.serving.promql import find_fault

PERCENT_POINT = 0.01


class Verdict(StrEnum):
    """Inconclusive is neither: too few samples, no data, stale data, NaN, or a canary that nobody asked."""

    PASS = "Pass"  # noqa: S105 - no password
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"


def _readable(query: str) -> str:
    fault = find_fault(query)
    if fault is not None:
        raise ValueError(fault)
    return query


Query = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_readable)]


class ErrorRateCheck(BaseModel):
    """Server errors among the requests: the canary against the stable revision, and against a bound of its own.

    Shares lie between 0 and 1. The canary passes when its error rate is not more than `max_increase` above the
    stable revision's; it fails when it is above it at all beyond chance, or above `max_share` beyond chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_increase: float = Field(default=0.05, gt=0, le=1)
    max_share: float | None = Field(default=None, gt=0, le=1)


class LatencyCheck(BaseModel):
    """A percentile of the time of an answer, against the stable revision's times `max_ratio`, and a bound in ms.

    Judged as shares, in the buckets of the source's histograms: of the canary's answers no more may take longer than
    `max_ratio` times the stable revision's percentile than of the stable revision's answers take longer than the
    percentile itself. It passes when at most twice 1 - percentile / 100 of them do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    percentile: float = Field(default=95, ge=50, le=99.9)
    max_ratio: float = Field(default=1.5, ge=1, le=100)
    max_milliseconds: float | None = Field(default=None, gt=0)


class EventMetric(BaseModel):
    """A metric of the user's own that counts: bad ones among all. Compared as the error rate is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    bad_query: Query = Field(
        description="PromQL that counts bad events since any moment; the differences are judged"
    )
    total_query: Query = Field(description="The same of all events, the bad ones among them")
    max_increase: float = Field(default=0.05, gt=0, le=1)
    max_share: float | None = Field(default=None, gt=0, le=1)


class ValueMetric(BaseModel):
    """A metric of the user's own that is a number. It fails only after `ticks_in_a_row` ticks out of its bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    query: Query = Field(description="PromQL; {revision} stands for the revision's name")
    min: float | None = None
    max: float | None = None
    max_ratio: float | None = Field(
        default=None, gt=0, description="Of the canary's value to the stable revision's"
    )
    ticks_in_a_row: int = Field(default=3, ge=1, le=20)


class AnalysisPolicy(BaseModel):
    """What is compared at each tick, and how sure a verdict must be.

    `false_alarm`: the chance that a canary as good as the stable revision is ever rolled back, over the whole
    rollout and all checks but `values`, which follow no law. `confidence`: of a Pass. `min_requests`: of the canary in
    a step, before it can pass. `max_age_seconds`: older data is stale, and as long is looked again before a step ends
    for want of figures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_rate: ErrorRateCheck | None = ErrorRateCheck()
    latency: LatencyCheck | None = LatencyCheck()
    events: tuple[EventMetric, ...] = Field(default=(), max_length=5)
    values: tuple[ValueMetric, ...] = Field(default=(), max_length=5)
    false_alarm: float = Field(default=0.01, gt=0, le=0.2)
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    min_requests: int = Field(default=50, ge=1, le=10_000_000)
    max_age_seconds: int = Field(default=120, ge=5, le=3600)

    @model_validator(mode="after")
    def _metrics_have_names_of_their_own(self) -> Self:
        names = [event.name for event in self.events] + [value.name for value in self.values]
        if len(names) != len(set(names)):
            raise ValueError("each metric must have a name of its own")
        return self


class RevisionCounts(BaseModel):
    """What a revision has answered since the rollout began, as far as the source can tell. Every count only grows.

    `latency_counts[i]` are the answers that took at most `latency_bounds[i]` milliseconds and more than the bound
    before; the last count, one more than there are bounds, took longer than all. `events` are bad and total of each
    EventMetric that there is an answer for; bad is None where that query found no series: there were no bad ones yet,
    or they were missed.
    """

    model_config = ConfigDict(frozen=True)

    requests: int = 0
    errors: int = 0
    latency_bounds: tuple[float, ...] = ()
    latency_counts: tuple[int, ...] = ()
    events: dict[str, tuple[int | None, int]] = Field(default_factory=dict)


class Unanswered(NamedTuple):
    """Probes that a revision did not answer within their time limit. A tuple, which is short as JSON."""

    canary: int = 0
    stable: int = 0

    def plus(self, other: "Unanswered") -> "Unanswered":
        return Unanswered(self.canary + other.canary, self.stable + other.stable)


class Reading(BaseModel):
    """What a metric source saw at one moment.

    `observed_at` is the time of the newest data in it; None when there is none at all. A revision without any
    series is None. `values` are each ValueMetric, first the canary's, then the stable revision's; None where there is
    none or NaN.
    `generation` changes when counters began anew (a restart), so that no difference is taken over it.
    `counts_requests` is false for a source that tells latencies alone: failures without requests would be all of them.
    """

    model_config = ConfigDict(frozen=True)

    observed_at: datetime | None
    stable: RevisionCounts | None
    canary: RevisionCounts | None
    values: dict[str, tuple[float | None, float | None]] = Field(default_factory=dict)
    generation: str = ""
    counts_requests: bool = True

    def with_unanswered(self, probes: Unanswered) -> Self:
        """The same, with these probes as requests that failed: no source counts what its caller gave up."""
        if not self.counts_requests:
            return self
        return self.model_copy(
            update={
                "canary": _with_failures(self.canary, probes.canary),
                "stable": _with_failures(self.stable, probes.stable),
            }
        )


def _with_failures(counts: RevisionCounts | None, failures: int) -> RevisionCounts | None:
    if not failures:
        return counts
    found = counts or RevisionCounts()
    added = {"requests": found.requests + failures, "errors": found.errors + failures}
    return found.model_copy(update=added)


class CheckResult(BaseModel):
    """One check at one tick. `code` is a stable word (TooFewRequests, ErrorRateHigher, …), `message` has the figures.

    `evidence` is the e-value against "not worse" and `needed` the one at which the check fails; both None where the
    check compares no shares.
    """

    model_config = ConfigDict(frozen=True)

    check: str
    verdict: Verdict
    code: str
    message: str
    stable: float | None = None
    canary: float | None = None
    samples_stable: int = 0
    samples_canary: int = 0
    evidence: float | None = None
    needed: float | None = None


class Judgement(BaseModel):
    """The verdict of a tick: Fail if any check fails, Pass if all pass, else Inconclusive."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict
    checks: tuple[CheckResult, ...] = ()

    @property
    def decisive(self) -> CheckResult | None:
        """The check that decided: the first one with the judgement's own verdict."""
        return next((check for check in self.checks if check.verdict is self.verdict), None)
