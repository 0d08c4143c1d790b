"""How far a rollout is: what its record holds between two ticks, and what each tick leaves behind."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from controlplane.reasons import Reason
from controlplane.serving.analysis import CheckResult, Judgement, Unanswered, Verdict
from controlplane.serving.states import Command, Phase, RolloutState
from controlplane.serving.statistics.evidence import Evidence


class GivenCommand(BaseModel):
    """What somebody told a rollout; numbers grow by one."""

    model_config = ConfigDict(frozen=True)

    number: int
    command: Command
    actor: str
    at: datetime


class Outcome(BaseModel):
    """How a rollout is about to end while its traffic still goes back. `seen_at`: the tick that saw the reason."""

    model_config = ConfigDict(frozen=True)

    state: RolloutState
    reason: Reason
    seen_at: datetime


class Progress(BaseModel):
    """Where a rollout stands. Percentages are what the canary was given by us.

    `step` counts from 0 in the policy's steps; `since` is when the traffic of the present step was seen in effect,
    None while it is not. `commands` are those taken in, `unready` the ticks in a row at which the canary could not
    carry its share: it answered nothing, or had fewer than `carrying` replicas (those at which it was ready first, or
    its own minimum). `missing`: it was not in the cluster at the last look, `unsettled` the ticks in a row at which the
    gateway did not do what it was told, `served`: it has been given requests or copies.
    `replicas` is the stable revision's full size, known where it is changed (Capacity.LEAN), `shrunken` the size it
    was given last; None at full size. `judged_at`: when figures were judged last. `unanswered` are all probes so far
    that were not answered in time.
    """

    model_config = ConfigDict(frozen=True)

    phase: Phase = Phase.PREPARING
    step: int = 0
    percent: int = Field(default=0, ge=0, le=100)
    since: datetime | None = None
    ticks: int = 0
    commands: int = 0
    paused: bool = False
    approved: bool = False
    by_hand: bool = Field(default=False, description="Somebody said promote")
    unready: int = 0
    carrying: int | None = None
    missing: bool = False
    unsettled: int = 0
    served: bool = False
    replicas: int | None = None
    shrunken: int | None = None
    outcome: Outcome | None = None
    judgement: Judgement | None = None
    judged_at: datetime | None = None
    evidence: Evidence = Evidence()
    unanswered: Unanswered = Unanswered()

    def with_changes(self, **changes: object) -> Self:
        return self.model_copy(update=changes)


def take_in(progress: Progress, given: Sequence[GivenCommand]) -> Progress:
    """The progress once all of these commands are followed. An abort changes nothing of it: it ends the rollout."""
    for each in given:
        number = max(progress.commands, each.number)
        progress = progress.with_changes(**_COMMANDED.get(each.command, {}), commands=number)
    return progress


_COMMANDED: dict[Command, dict[str, object]] = {
    Command.PAUSE: {"paused": True, "by_hand": False},
    Command.RESUME: {"paused": False},
    Command.APPROVE: {"approved": True},
    Command.PROMOTE: {"by_hand": True, "paused": False},
}


class Change(BaseModel):
    """One write to the cluster, as it was sent."""

    model_config = ConfigDict(frozen=True)

    verb: str
    path: str
    body: Any = None


class Tick(BaseModel):
    """What one look at a rollout found and did. Together they are the source of its evidence."""

    model_config = ConfigDict(frozen=True)

    rollout_id: str
    number: int
    at: datetime
    phase: Phase
    percent: int
    canary: str = Field(default="", description="The canary's state in the cluster")
    stable: str = Field(default="", description="The stable revision's state in the cluster")
    verdict: Verdict | None = None
    checks: tuple[CheckResult, ...] = ()
    commands: tuple[GivenCommand, ...] = ()
    changes: tuple[Change, ...] = ()
    note: str = ""
