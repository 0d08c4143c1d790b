"""How a deployment is moved to a new revision: strategies as data, and the steps that each comes down to."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from controlplane.serving.analysis import AnalysisPolicy

Seconds = Annotated[int, Field(ge=0, le=7 * 24 * 3600)]
# At the least, besides the steps: until the revision is ready, and the gateway does what it is told. Seconds.
ROOM = 60
# Every tick is kept, and all of them are written into the evidence at the end.
MOST_TICKS = 50_000


class Step(BaseModel):
    """One step of a rollout: what share of the requests the canary answers, and for how long it is watched.

    At `percent` 0 with `mirror_percent` it gets copies whose answers nobody waits for. A step is over when it has
    lasted `bake_seconds` and, if it is `judged`, the verdict is Pass; with `approval` somebody must approve as well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: int = Field(ge=0, le=99)
    mirror_percent: int = Field(default=0, ge=0, le=100)
    bake_seconds: Seconds = 300
    approval: bool = False
    judged: bool = True
    probes: bool = False


class CanaryStep(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    percent: int = Field(ge=1, le=99)
    bake_seconds: Seconds = 300
    approval: bool = Field(default=False, description="Somebody must approve before the next step")


class AllAtOnce(BaseModel):
    """All traffic as soon as the revision is ready."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["AllAtOnce"] = "AllAtOnce"


class Canary(BaseModel):
    """A few growing shares of the traffic, each judged, then all of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["Canary"] = "Canary"
    steps: tuple[CanaryStep, ...] = Field(
        default=(CanaryStep(percent=10), CanaryStep(percent=50)), min_length=1, max_length=20
    )

    @model_validator(mode="after")
    def _shares_grow(self) -> Self:
        shares = [step.percent for step in self.steps]
        if shares != sorted(set(shares)):
            raise ValueError("each step must have a larger percent than the one before")
        return self


class Linear(BaseModel):
    """The same additional share again and again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["Linear"] = "Linear"
    percent: int = Field(default=10, ge=1, le=99, description="Added with each step")
    bake_seconds: Seconds = 300


class BlueGreen(BaseModel):
    """No request until it is judged, on copies of live requests or on probes, then all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["BlueGreen"] = "BlueGreen"
    judged_on: Literal["Mirror", "Probes"] = "Mirror"
    mirror_percent: int = Field(default=100, ge=1, le=100)
    bake_seconds: Seconds = 300
    approval: bool = False


class Shadow(BaseModel):
    """Copies of live requests for a time; it takes over only if somebody approves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["Shadow"] = "Shadow"
    mirror_percent: int = Field(default=10, ge=1, le=100)
    bake_seconds: Seconds = 3600


Strategy = Annotated[AllAtOnce | Canary | Linear | BlueGreen | Shadow, Field(discriminator="type")]


class Capacity(StrEnum):
    """SAFE: the stable revision keeps its full size until the end. LEAN: it shrinks as the canary proves itself.

    Where Knative splits the traffic it sizes each revision by its requests, and LEAN is carried out as SAFE.
    """

    SAFE = "Safe"
    LEAN = "Lean"


class OnInconclusive(StrEnum):
    """What happens when a step's time is over and the verdict is still Inconclusive."""

    WAIT = "Wait"
    ABORT = "Abort"
    ASK = "Ask"


class RolloutPolicy(BaseModel):
    """How a deployment's rollouts go. Times in seconds.

    `tick_seconds`: how often it is looked at. `final_bake_seconds`: at 100 % before it counts as promoted,
    judged by what the stable revision was seen to have before.
    `max_seconds`: the rollout's own deadline. `termination_wait_seconds`: from the last request sent to a revision
    until it may be removed. `keep_previous_seconds`: how long the revision before is kept running after a promotion,
    for a rollback at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: Strategy = AllAtOnce()
    analysis: AnalysisPolicy = AnalysisPolicy()
    capacity: Capacity = Capacity.SAFE
    on_inconclusive: OnInconclusive = OnInconclusive.WAIT
    tick_seconds: int = Field(default=30, ge=1, le=300)
    final_bake_seconds: Seconds = 0
    max_seconds: int = Field(default=86_400, ge=60, le=7 * 24 * 3600)
    termination_wait_seconds: int = Field(default=30, ge=0, le=3600)
    keep_previous_seconds: Seconds | None = Field(
        default=None, description="None: what the platform is set to"
    )

    @model_validator(mode="after")
    def _time_is_enough(self) -> Self:
        needed = sum(step.bake_seconds for step in self.steps) + self.final_bake_seconds
        if needed and needed + ROOM > self.max_seconds:
            raise ValueError(
                f"the steps and the final bake last {needed} s, and the revision needs time to be ready and to be "
                f"given its traffic: set max_seconds ({self.max_seconds}) to {needed + ROOM} or more, or make them "
                "shorter"
            )
        return self

    @model_validator(mode="after")
    def _ticks_can_be_kept(self) -> Self:
        ticks = self.max_seconds // self.tick_seconds
        if ticks > MOST_TICKS:
            least = -(-self.max_seconds // MOST_TICKS)
            raise ValueError(
                f"a look every {self.tick_seconds} s for {self.max_seconds} s makes {ticks} ticks, and {MOST_TICKS} "
                f"can be kept as evidence: set tick_seconds to {least} or more, or max_seconds to less"
            )
        return self

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps before all traffic; none for all at once."""
        return _STEPS[self.strategy.type](self.strategy)


def _all_at_once(_: AllAtOnce) -> tuple[Step, ...]:
    return ()


def _canary(strategy: Canary) -> tuple[Step, ...]:
    return tuple(
        Step(percent=step.percent, bake_seconds=step.bake_seconds, approval=step.approval)
        for step in strategy.steps
    )


def _linear(strategy: Linear) -> tuple[Step, ...]:
    return tuple(
        Step(percent=percent, bake_seconds=strategy.bake_seconds)
        for percent in range(strategy.percent, 100, strategy.percent)
    )


def _blue_green(strategy: BlueGreen) -> tuple[Step, ...]:
    mirrored = strategy.judged_on == "Mirror"
    step = Step(
        percent=0,
        mirror_percent=strategy.mirror_percent if mirrored else 0,
        bake_seconds=strategy.bake_seconds,
        approval=strategy.approval,
        probes=not mirrored,
    )
    return (step,)


def _shadow(strategy: Shadow) -> tuple[Step, ...]:
    step = Step(
        percent=0,
        mirror_percent=strategy.mirror_percent,
        bake_seconds=strategy.bake_seconds,
        approval=True,
    )
    return (step,)


_STEPS: dict[str, Callable[..., tuple[Step, ...]]] = {
    "AllAtOnce": _all_at_once,
    "Canary": _canary,
    "Linear": _linear,
    "BlueGreen": _blue_green,
    "Shadow": _shadow,
}
