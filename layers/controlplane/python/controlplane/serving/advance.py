"""One tick of a rollout: look, read the metrics, judge, decide, act on the cluster, and only then record it."""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta

from controlplane.errors import (
    ClusterUnavailableError,
    RolloutFailedError,
    UnavailableError,
)
from controlplane.identifiers import now
from controlplane.serving.analysis import Unanswered
from controlplane.serving.announcements import visible, what_is_visible
from controlplane.serving.cluster_ports import (
    ClusterChange,
    RolloutCluster,
    Transition,
    TransitionObservation,
)
from controlplane.serving.decision import Decision, Next, Situation, decide
from controlplane.serving.effects import carry_out
from controlplane.serving.judging import judge_tick
from controlplane.serving.metric_ports import MetricSource, Prober
from controlplane.serving.model import FrozenPlan, RolloutState
from controlplane.serving.ports import DeploymentRepository
from controlplane.serving.preflight import frozen_plan, transition_of
from controlplane.serving.preparation import as_written
from controlplane.serving.progress import Progress, Tick
from controlplane.serving.rollout import (
    Ending,
    Owned,
    RolloutReference,
    end_rollout,
    read_owned,
    refusals_explained,
)
from controlplane.serving.states import Phase

logger = logging.getLogger(__name__)
# An execution hands over to the next well before Step Functions' 25,000 events of history: a tick has up to 16.
MAX_TURNS = 1000
# How long after its deadline a rollout waits for a cluster that does not answer, and how often it asks (seconds).
OUTAGE = timedelta(minutes=10)
OUTAGE_SECONDS = 10
HAND_OVER = "HandOver"


@dataclass(frozen=True)
class Turn:
    """What the state machine goes on with, after how many seconds; `commands`: a later one than this ends the wait."""

    next: str
    seconds: int
    commands: int


@dataclass(frozen=True)
class Tools:
    """What a tick works with. `grace`: how long the revision before is kept where the policy does not say."""

    cluster: RolloutCluster
    metrics: MetricSource
    prober: Prober
    grace: timedelta


@dataclass(frozen=True)
class _Looked:
    """What a tick found and did."""

    decision: Decision
    observation: TransitionObservation
    seen: Situation
    changes: tuple[ClusterChange, ...] = ()


@refusals_explained()
def advance_rollout(
    reference: RolloutReference,
    turn: int,
    *,
    deployments: DeploymentRepository,
    tools: Tools,
) -> Turn:
    """Take a rollout as far as it goes at this moment; `turn` counts those of this execution from 1.

    At most one read and one write of the table. A cluster that does not answer changes nothing: the rollout is
    looked at again a little later. Raises RolloutNotActiveError, ConcurrentChangeError (call it again),
    and RolloutFailedError for what the cluster refuses, or when it is out of reach long after the deadline.
    """
    owned = read_owned(reference, deployments)
    try:
        looked = _look(owned, frozen_plan(owned), tools)
    except ClusterUnavailableError as away:
        return _wait_for_cluster(owned, turn, deployments, away)
    decision = looked.decision
    if decision.next is Next.END:
        _end(owned, looked, tools.grace, deployments)
        return Turn(Next.END, 0, decision.progress.commands)
    hand_over = turn >= MAX_TURNS
    _save(owned, looked, deployments, hand_over=hand_over)
    following = HAND_OVER if hand_over else decision.next
    return Turn(following, decision.seconds, decision.progress.commands)


def _look(owned: Owned, plan: FrozenPlan, tools: Tools) -> _Looked:
    transition = transition_of(owned, plan)
    before, moment = owned.progress, now()
    commands = [given for given in owned.active.commands if given.number > before.commands]
    observation = tools.cluster.observe(transition)
    unanswered = before.unanswered.plus(_send_probes(transition, plan, owned, tools.prober))
    judged = judge_tick(owned, plan, observation, moment, tools.metrics, unanswered)
    seen = Situation(
        policy=plan.policy,
        has_stable=plan.stable is not None,
        observation=observation,
        judgement=judged.judgement,
        commands=commands,
        moment=moment,
        started_at=owned.active.started_at,
        ready_by=owned.active.ready_by,
        deadline=owned.active.deadline,
        least=plan.stable.settings.autoscaling.min_replicas if plan.stable else 0,
        canary_least=plan.canary.settings.autoscaling.min_replicas,
    )
    known = before.with_changes(evidence=judged.evidence, unanswered=unanswered)
    decision = decide(known, seen)
    changes = carry_out(decision.effects, transition, tools.cluster)
    if not decision.look_again:
        return _Looked(decision, observation, seen, tuple(changes))
    return _look_again(transition, seen, decision, changes, tools)


def _look_again(
    transition: Transition,
    seen: Situation,
    decision: Decision,
    changes: list[ClusterChange],
    tools: Tools,
) -> _Looked:
    """What was written may be in effect already: see, so that a bake begins or an end is known without a pause."""
    try:
        observation = tools.cluster.observe(transition)
    except ClusterUnavailableError:
        return _Looked(decision, seen.observation, seen, tuple(changes))
    again = replace(
        seen, observation=observation, judgement=None, commands=(), moment=now(), first=False
    )
    second = decide(decision.progress, again)
    if second.effects:  # one decision a tick: what more there is to do comes with the next
        return _Looked(decision, observation, seen, tuple(changes))
    return _Looked(second, observation, seen, tuple(changes))


def _send_probes(
    transition: Transition, plan: FrozenPlan, owned: Owned, prober: Prober
) -> Unanswered:
    """Those that were not answered in time: a revision that hangs fails by them."""
    progress, probe = owned.progress, plan.canary.settings.probe
    stepping = progress.phase in (Phase.STEPPING, Phase.AWAITING_APPROVAL)
    if not stepping or probe is None or not plan.policy.steps[progress.step].probes:
        return Unanswered()
    try:
        return prober.send(transition, probe)
    except UnavailableError as away:
        logger.warning("the probes of a tick were not sent: %s", away)
        return Unanswered()


def _wait_for_cluster(
    owned: Owned, turn: int, deployments: DeploymentRepository, away: ClusterUnavailableError
) -> Turn:
    active, preparing = owned.active, owned.progress.phase is Phase.PREPARING
    until = active.ready_by if preparing else active.deadline
    if now() > until + OUTAGE:
        raise RolloutFailedError(
            "ClusterUnavailable",
            f"the cluster did not answer until long after the deadline: {away}",
            remedy="Ask for a rollout again when the cluster is reachable.",
        ) from away
    # They are taken in when the cluster is back: only what is said from now on asks for another look before then.
    commands = active.given
    if turn < MAX_TURNS:
        return Turn(Next.TICK, OUTAGE_SECONDS, commands)
    after, event = what_is_visible(owned, owned.progress, hand_over=True)
    place = (owned.reference.tenant_id, owned.reference.project)
    deployments.save_progress(*place, owned.deployment, owned.rollout, changed=after, event=event)
    return Turn(HAND_OVER, OUTAGE_SECONDS, commands)


def _save(
    owned: Owned, looked: _Looked, deployments: DeploymentRepository, *, hand_over: bool
) -> None:
    progress = looked.decision.progress
    silent = progress == owned.progress and looked.seen.judgement is None
    if silent and not looked.changes and not hand_over:
        return
    progress = progress.with_changes(ticks=owned.progress.ticks + 1)
    record = owned.rollout.model_copy(update={"progress": progress})
    after, event = what_is_visible(owned, progress, hand_over=hand_over)
    place = (owned.reference.tenant_id, owned.reference.project)
    tick = _tick(owned, looked, progress)
    deployments.save_progress(
        *place, owned.deployment, record, tick=tick, changed=after, event=event
    )


def _end(
    owned: Owned, looked: _Looked, grace: timedelta, deployments: DeploymentRepository
) -> None:
    decision, outcome = looked.decision, looked.decision.outcome
    if outcome is None:
        raise TypeError("a rollout that ends knows how")
    promoted = outcome.state is RolloutState.PROMOTED
    confirmed = decision.note != "not confirmed" and owned.has_stable and not promoted
    served = decision.progress.served and confirmed
    seconds = (now() - outcome.seen_at) / timedelta(seconds=1) if served else None
    progress = decision.progress.with_changes(ticks=owned.progress.ticks + 1, outcome=outcome)
    reason = None if promoted else outcome.reason
    ending = Ending(outcome.state, reason, seconds, grace=grace)
    tick = _tick(owned, looked, progress)
    shown = Owned(owned.reference, visible(owned.deployment, progress), owned.active, owned.rollout)
    end_rollout(shown, ending, progress, (tick,), deployments=deployments)


def _tick(owned: Owned, looked: _Looked, progress: Progress) -> Tick:
    observation, judgement = looked.observation, looked.seen.judgement
    return Tick(
        rollout_id=owned.reference.rollout_id,
        number=progress.ticks,
        at=looked.seen.moment,
        phase=progress.phase,
        percent=progress.percent,
        canary=observation.canary.state,
        stable=observation.stable.state if observation.stable else "",
        verdict=judgement.verdict if judgement else None,
        checks=judgement.checks if judgement else (),
        commands=tuple(looked.seen.commands),
        changes=as_written(looked.changes),
        note=looked.decision.note,
    )
