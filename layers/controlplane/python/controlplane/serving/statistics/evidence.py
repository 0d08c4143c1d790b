"""What a rollout's verdicts rest on: a few kilobytes, however many ticks it has had."""

from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from controlplane.serving.analysis import RevisionCounts
from controlplane.serving.statistics.counts import EventPairs
from controlplane.serving.statistics.process import EvidenceProcess


class Shares(NamedTuple):
    """Answers of stable revision and canary, and how many of them are bad. A tuple, which is short as JSON."""

    stable: int = 0
    stable_bad: int = 0
    canary: int = 0
    canary_bad: int = 0

    @property
    def stable_share(self) -> float | None:
        return self.stable_bad / self.stable if self.stable else None

    @property
    def canary_share(self) -> float | None:
        return self.canary_bad / self.canary if self.canary else None

    @property
    def of_stable(self) -> "Shares":
        return self._replace(canary=0, canary_bad=0)

    @property
    def of_canary(self) -> "Shares":
        return self._replace(stable=0, stable_bad=0)

    def plus(self, other: "Shares") -> "Shares":
        return Shares(
            stable=self.stable + other.stable,
            stable_bad=self.stable_bad + other.stable_bad,
            canary=self.canary + other.canary,
            canary_bad=self.canary_bad + other.canary_bad,
        )


class ShareEvidence(BaseModel):
    """What a check that compares shares has seen. `surely`: only what is certainly bad, which counts for a Fail;
    `possibly`: all that may be bad, which counts against a Pass (a histogram leaves a difference); `step`: the same
    since the step began. `threshold`: from where on an answer was bad last, in words.
    """

    model_config = ConfigDict(frozen=True)

    surely: Shares = Shares()
    possibly: Shares = Shares()
    step: Shares = Shares()
    process: EvidenceProcess = EvidenceProcess()
    threshold: str = ""


class ValueEvidence(BaseModel):
    """For how many ticks in a row a value has been out of bounds; `broken`: there were once as many as it takes."""

    model_config = ConfigDict(frozen=True)

    out_of_bounds: int = 0
    broken: bool = False


class Baseline(BaseModel):
    """The reading that the next one is compared with, without what no check needs.

    `events` are the last pairs that were known of each metric, which may be older.
    """

    model_config = ConfigDict(frozen=True)

    observed_at: datetime
    generation: str
    stable: RevisionCounts | None = None
    canary: RevisionCounts
    events: dict[str, EventPairs] = Field(default_factory=dict)


class Evidence(BaseModel):
    """All that a rollout's readings have told. `Evidence()` is the beginning.

    `step_stable`, `step_canary`: requests since the step began; `unanswered`: requests of the stable revision since
    the canary's last one.
    """

    model_config = ConfigDict(frozen=True)

    last: Baseline | None = None
    step_stable: int = 0
    step_canary: int = 0
    unanswered: int = 0
    shares: dict[str, ShareEvidence] = Field(default_factory=dict)
    values: dict[str, ValueEvidence] = Field(default_factory=dict)


def begin_step(evidence: Evidence) -> Evidence:
    """The same evidence at the beginning of a step: what a Pass needs of the step itself is counted anew."""
    shares = {
        name: check.model_copy(update={"step": Shares()}) for name, check in evidence.shares.items()
    }
    anew = {"step_stable": 0, "step_canary": 0, "unanswered": 0, "shares": shares}
    return evidence.model_copy(update=anew)
