"""Rollouts and their plans as callers see them."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from controlplane.reasons import Reason
from controlplane.serving.analysis import Judgement, Verdict
from controlplane.serving.model import Rollout
from controlplane.serving.plan import RolloutPlan
from controlplane.serving.progress import Progress, Tick
from controlplane.serving.states import Mechanism, Phase, RolloutKind, RolloutState
from controlplane.serving.statistics.traffic import TrafficNeed
from controlplane.serving.strategy import RolloutPolicy, Step


class ProgressView(BaseModel):
    """Where a rollout stands, and the last look's verdict.

    `step` counts from 1, `since` is when its share of the traffic was seen in effect.
    """

    phase: Phase
    step: int | None
    percent: int = Field(description="The canary's share of the requests")
    since: datetime | None
    ticks: int
    paused: bool
    verdict: Verdict | None
    judgement: Judgement | None

    @classmethod
    def of(cls, progress: Progress, steps: int) -> Self:
        return cls(
            phase=progress.phase,
            step=progress.step + 1 if progress.step < steps else None,
            percent=progress.percent,
            since=progress.since,
            ticks=progress.ticks,
            paused=progress.paused,
            verdict=progress.judgement.verdict if progress.judgement else None,
            judgement=progress.judgement,
        )


class RolloutView(BaseModel):
    """One rollout, from its request to its end.

    `rolled_back_seconds` lie between the look that saw the breach and all traffic at the stable revision again.
    """

    rollout: str
    deployment: str
    version: int
    stable_version: int | None
    kind: RolloutKind
    state: RolloutState
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    reason: Reason | None
    mechanism: Mechanism | None
    policy: RolloutPolicy | None
    progress: ProgressView | None
    rolled_back_seconds: float | None
    has_evidence: bool = Field(description="Whether its evidence can be read")

    @classmethod
    def of(cls, rollout: Rollout) -> Self:
        plan, progress = rollout.plan, rollout.progress
        policy = plan.policy if plan else rollout.policy
        steps = len(policy.steps) if policy else 0
        return cls(
            rollout=rollout.rollout_id,
            deployment=rollout.deployment,
            version=rollout.model_version,
            stable_version=plan.stable.version.number if plan and plan.stable else None,
            kind=rollout.kind,
            state=rollout.state,
            requested_by=rollout.requested_by,
            requested_at=rollout.requested_at,
            started_at=rollout.started_at,
            ended_at=rollout.ended_at,
            reason=rollout.reason,
            mechanism=plan.mechanism if plan else None,
            policy=policy,
            progress=ProgressView.of(progress, steps) if progress else None,
            rolled_back_seconds=rollout.rolled_back_seconds,
            has_evidence=rollout.evidence is not None,
        )


class TickView(BaseModel):
    """One look at a rollout: what was seen, how it was judged, and what was done; the last may be of after its end."""

    number: int
    at: datetime
    phase: Phase
    percent: int
    canary: str
    stable: str
    verdict: Verdict | None
    checks: list[Any]
    changes: list[str] = Field(description="The writes to the cluster: verb and path")
    note: str

    @classmethod
    def of(cls, tick: Tick) -> Self:
        shown = tick.model_dump(exclude={"changes", "commands", "rollout_id"})
        changes = [f"{change.verb} {change.path}" for change in tick.changes]
        return cls.model_validate(shown | {"changes": changes})


class PlannedWriteView(BaseModel):
    verb: str
    path: str
    diff: str = Field(description="What an apply changes, as a unified diff of the objects in JSON")


class PlannedMoveView(BaseModel):
    """The writes to the cluster that belong together, in their order."""

    name: str
    writes: list[PlannedWriteView]


class PlannedStepView(BaseModel):
    """A step, and how many requests (or copies) a verdict needs in it; null for one that is not judged."""

    step: Step
    traffic: TrafficNeed | None


class PlanView(BaseModel):
    """What a rollout would do. Nothing has been changed, and what only the cluster knows is asked when it starts."""

    version: int
    stable_version: int | None
    mechanism: Mechanism
    policy: RolloutPolicy
    steps: list[PlannedStepView]
    least_seconds: int
    obstacles: list[Reason]
    moves: list[PlannedMoveView]
    kept_cost_per_hour_micro_usd: int | None = Field(
        description="What keeping the revision before for a rollback costs about"
    )

    @classmethod
    def of(cls, plan: RolloutPlan) -> Self:
        return cls(
            version=plan.version,
            stable_version=plan.stable_version,
            mechanism=plan.mechanism,
            policy=plan.policy,
            steps=[PlannedStepView(step=each.step, traffic=each.need) for each in plan.steps],
            least_seconds=plan.least_seconds,
            obstacles=list(plan.obstacles),
            moves=[
                PlannedMoveView(
                    name=move.name,
                    writes=[
                        PlannedWriteView(verb=write.verb, path=write.path, diff=write.diff)
                        for write in move.writes
                    ],
                )
                for move in plan.moves
            ],
            kept_cost_per_hour_micro_usd=plan.kept_cost_per_hour,
        )


def why_no_evidence(rollout: Rollout) -> str:
    """What to do about evidence that is not there."""
    if rollout.ended_at is None:
        return "It is written when the rollout has ended."
    if rollout.started_at is None:
        return "The rollout never began: its own reason is all there is to tell."
    return (
        "It is written within seconds of the end. If it does not come, read the rollout's ticks, "
        "and tell the platform's administrators."
    )


class EvidenceView(BaseModel):
    """Where a rollout's evidence can be read, without credentials, until the link expires."""

    url: str
    expires_at: datetime
