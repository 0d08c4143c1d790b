"""What a tick comes to: from where a rollout stands and what is seen, to what is done next. Pure rules.

What speaks against the canary is looked at before what speaks for it, and whoever steers by hand before both. Every
rule goes by what the cluster shows, so a tick whose answer was lost is simply decided again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from controlplane.reasons import Reason
from controlplane.serving.analysis import Judgement, Verdict
from controlplane.serving.capacity import back_to_stable, full_size, shrink_after
from controlplane.serving.cluster_ports import Traffic, TrafficMark, TransitionObservation
from controlplane.serving.effects import Effect, EffectKind
from controlplane.serving.health import can_carry, lacks_figures, watch_canary
from controlplane.serving.objections import find_objection
from controlplane.serving.ports import RevisionState
from controlplane.serving.progress import GivenCommand, Outcome, Progress, take_in
from controlplane.serving.states import Phase, RolloutState
from controlplane.serving.statistics.evidence import begin_step
from controlplane.serving.strategy import OnInconclusive, RolloutPolicy, Step

# How often a write that is not in effect yet, or a revision that is not ready, is looked at: seconds.
SOON, LATER = 1, 5
IMPATIENT = timedelta(seconds=30)
# The gateway must show a rollback within this time; then it ends all the same, and retirement watches the route.
CONFIRMATION = timedelta(seconds=120)


class Next(StrEnum):
    """What the state machine goes on with."""

    TICK = "Tick"
    PREPARE = "Prepare"
    END = "End"


@dataclass(frozen=True)
class Situation:
    """All that a decision rests on.

    `commands` are those not taken in yet, `first`: the first look of this tick, `least` and `canary_least`: the
    stable revision's and the canary's own smallest size.
    """

    policy: RolloutPolicy
    has_stable: bool
    observation: TransitionObservation
    judgement: Judgement | None
    commands: Sequence[GivenCommand]
    moment: datetime
    started_at: datetime
    ready_by: datetime
    deadline: datetime
    first: bool = True
    least: int = 0
    canary_least: int = 0

    @property
    def ready(self) -> bool:
        return self.observation.canary.state is RevisionState.READY

    def in_effect(self, percent: int) -> bool:
        """Whether the gateway does what it was told. Without a route it does nothing."""
        seen = self.observation
        return seen.routed and seen.settled and seen.canary_percent in (percent, None)

    def turned(self, percent: int) -> bool:
        """Whether somebody else has given the canary another share, or taken the route away."""
        seen = self.observation
        if not seen.routed:
            return True
        return seen.settled and seen.canary_percent not in (percent, None) and self.has_stable


@dataclass(frozen=True)
class Decision:
    """The progress from now on, what is done to the cluster in this order, and when to look again (seconds).

    `outcome` ends the rollout once the effects are done; `look_again`: at once, since it may be in effect already.
    """

    progress: Progress
    effects: tuple[Effect, ...] = ()
    next: Next = Next.TICK
    seconds: int = SOON
    outcome: Outcome | None = None
    look_again: bool = False
    note: str = ""


def decide(before: Progress, seen: Situation) -> Decision:
    """What comes of one look at a rollout."""
    progress = _take_in(before, seen)
    if progress.phase is Phase.ROLLING_BACK:
        return _await_rollback(progress, seen)
    objection = find_objection(progress, seen)
    if objection is not None:
        return turn_back(progress, seen, objection)
    return _HANDLERS[progress.phase](progress, seen)


def turn_back(progress: Progress, seen: Situation, outcome: Outcome) -> Decision:
    """Send all traffic back to the stable revision, if there is one, before anything else."""
    over = Decision(progress, next=Next.END, outcome=outcome)
    taken_away = outcome.reason.code == "TrafficTakenAway"
    if not seen.has_stable or taken_away:
        return over
    going = progress.with_changes(phase=Phase.ROLLING_BACK, outcome=outcome, since=None)
    effects, back = back_to_stable(going, seen.observation, seen.moment - outcome.seen_at)
    percent = 0 if back else progress.percent
    return Decision(going.with_changes(percent=percent), effects, look_again=True)


def _await_rollback(progress: Progress, seen: Situation) -> Decision:
    outcome = progress.outcome
    if outcome is None:
        raise TypeError("a rollout that is rolled back knows why")
    since = seen.moment - outcome.seen_at
    if progress.percent == 0 and seen.in_effect(0):
        return Decision(progress, next=Next.END, outcome=outcome)
    if since > CONFIRMATION:
        return Decision(progress, next=Next.END, outcome=outcome, note="not confirmed")
    if progress.percent == 0 and not seen.turned(0):
        return Decision(progress)
    effects, back = back_to_stable(progress, seen.observation, since)
    percent = 0 if back else progress.percent
    return Decision(progress.with_changes(percent=percent), effects, look_again=seen.first)


def _take_in(before: Progress, seen: Situation) -> Progress:
    progress = take_in(before, seen.commands)
    progress = watch_canary(progress, seen)
    if seen.judgement is not None:
        progress = progress.with_changes(judgement=seen.judgement)
    return _know_promotion(progress, seen)


def _know_promotion(progress: Progress, seen: Situation) -> Progress:
    """All traffic was given and the record of it lost: the route says so, and takes no step of this rollout again."""
    if seen.observation.mark is not TrafficMark.PROMOTED or progress.phase not in _BEFORE_PROMOTION:
        return progress
    return _promoted(progress, seen.policy)


_BEFORE_PROMOTION = frozenset({Phase.PREPARING, Phase.STEPPING, Phase.AWAITING_APPROVAL})


def _prepare(progress: Progress, seen: Situation) -> Decision:
    state = seen.observation.canary.state
    pause = SOON if seen.moment - seen.started_at < IMPATIENT else LATER
    if state is RevisionState.MISSING:
        return _prepare_again(progress, pause)
    if state is not RevisionState.READY:
        return Decision(progress, seconds=pause)
    if progress.paused:
        return Decision(progress, seconds=seen.policy.tick_seconds)
    effects, replicas = full_size(seen.policy, seen.observation.stable_replicas, seen.least)
    begun = _go_on(progress.with_changes(replicas=replicas), seen, 0)
    return replace(begun, effects=(*effects, *begun.effects))


def _prepare_again(progress: Progress, pause: int) -> Decision:
    """What was just written may not be seen yet: it is written again only when it is missing after a pause too."""
    if not progress.missing:
        return Decision(progress.with_changes(missing=True), seconds=pause)
    return Decision(progress.with_changes(missing=False), next=Next.PREPARE, seconds=pause)


def _watch(progress: Progress, seen: Situation) -> Decision:
    """A step: its traffic comes into effect, lasts its time, and is over when verdict and people agree."""
    step = seen.policy.steps[progress.step]
    if seen.turned(progress.percent):
        told = progress.with_changes(since=None)
        effect = Effect(EffectKind.SHIFT, traffic=_traffic(step))
        note = "the route was changed by somebody else"
        return replace(_await_gateway(told, seen), effects=(effect,), note=note)
    if not seen.in_effect(progress.percent):
        return _await_gateway(progress, seen)
    progress = progress.with_changes(unsettled=0)
    if progress.by_hand and can_carry(progress, seen):
        return _promote(progress, seen)
    progress = progress.with_changes(since=progress.since or seen.moment)
    left = _left(progress, step.bake_seconds, seen.moment)
    if left > 0 or progress.paused or not seen.ready:
        return Decision(progress, seconds=_pause(seen.policy, left))
    return _close(progress, seen, step)


def _close(progress: Progress, seen: Situation, step: Step) -> Decision:
    """The step has lasted its time."""
    verdict = seen.judgement.verdict if seen.judgement else Verdict.INCONCLUSIVE
    sure = verdict is Verdict.PASS or not step.judged
    ask = seen.policy.on_inconclusive is OnInconclusive.ASK
    if (sure or (ask and progress.approved)) and (progress.approved or not step.approval):
        return _go_on(progress, seen, progress.step + 1)
    waits = step.approval if sure else ask and not lacks_figures(progress, seen)
    phase = Phase.AWAITING_APPROVAL if waits and not progress.approved else progress.phase
    return Decision(progress.with_changes(phase=phase), seconds=seen.policy.tick_seconds)


def _bake(progress: Progress, seen: Situation) -> Decision:
    """At 100 %: only that it stays sound counts from now on."""
    if seen.turned(100):
        told = progress.with_changes(since=None)
        again = (Effect(EffectKind.PROMOTE),)
        return replace(_await_gateway(told, seen), effects=again, note="the route was changed")
    if not seen.in_effect(100):
        return _await_gateway(progress, seen)
    progress = progress.with_changes(unsettled=0, since=progress.since or seen.moment)
    left = _left(progress, seen.policy.final_bake_seconds, seen.moment)
    if left > 0 or progress.paused or not can_carry(progress, seen):
        return Decision(progress, seconds=_pause(seen.policy, left))
    reason = Reason(code="Promoted", message="the revision takes all traffic")
    outcome = Outcome(state=RolloutState.PROMOTED, reason=reason, seen_at=seen.moment)
    return Decision(progress, next=Next.END, outcome=outcome)


def _await_gateway(progress: Progress, seen: Situation) -> Decision:
    """It usually takes a second; one that does not settle for long is looked at no more often than anything else."""
    most = ceil(IMPATIENT / timedelta(seconds=SOON)) + 1
    looks = min(progress.unsettled + seen.first, most)
    patient = looks == most
    pause = max(LATER, seen.policy.tick_seconds) if patient else SOON
    return Decision(progress.with_changes(unsettled=looks), seconds=pause)


def _go_on(progress: Progress, seen: Situation, number: int) -> Decision:
    """Begin a step, or send all traffic when the steps are done."""
    steps = seen.policy.steps
    if progress.by_hand or number >= len(steps):
        return _promote(progress, seen)
    step = steps[number]
    passed = steps[number - 1].percent if number else 0
    shrunken, effects = shrink_after(progress, seen.policy, passed)
    begun = progress.with_changes(
        phase=Phase.STEPPING,
        step=number,
        percent=step.percent,
        since=None,
        approved=False,
        served=True,
        shrunken=shrunken,
        evidence=begin_step(progress.evidence),
    )
    shift = Effect(EffectKind.SHIFT, traffic=_traffic(step))
    return Decision(begun, (shift, *effects), look_again=True)


def _promote(progress: Progress, seen: Situation) -> Decision:
    promoted = _promoted(progress, seen.policy)
    return Decision(promoted, (Effect(EffectKind.PROMOTE),), look_again=True)


def _promoted(progress: Progress, policy: RolloutPolicy) -> Progress:
    return progress.with_changes(
        phase=Phase.BAKING,
        step=len(policy.steps),
        percent=100,
        since=None,
        served=True,
        evidence=begin_step(progress.evidence),
    )


def _traffic(step: Step) -> Traffic:
    return Traffic(step.percent, step.mirror_percent, step.probes)


def _left(progress: Progress, seconds: int, moment: datetime) -> float:
    since = progress.since or moment
    return seconds - (moment - since) / timedelta(seconds=1)


def _pause(policy: RolloutPolicy, left: float) -> int:
    return max(SOON, min(policy.tick_seconds, ceil(left))) if left > 0 else policy.tick_seconds


_HANDLERS: dict[Phase, Callable[[Progress, Situation], Decision]] = {
    Phase.PREPARING: _prepare,
    Phase.STEPPING: _watch,
    Phase.AWAITING_APPROVAL: _watch,
    Phase.BAKING: _bake,
}
