"""What speaks against going on with a rollout: the reasons for which its traffic goes back to the stable revision."""

from typing import TYPE_CHECKING

from controlplane.reasons import Reason
from controlplane.serving.analysis import Verdict
from controlplane.serving.cluster_ports import TrafficMark
from controlplane.serving.health import STOPPED, lacks_figures
from controlplane.serving.load_failures import DEFAULT_REMEDY, remedy_for
from controlplane.serving.ports import RevisionState
from controlplane.serving.progress import Outcome, Progress
from controlplane.serving.states import Command, Phase, RolloutState
from controlplane.serving.strategy import OnInconclusive

if TYPE_CHECKING:  # the decision asks for objections, and they look at its situation
    from controlplane.serving.decision import Situation

# Ticks in a row at which a revision with traffic may be unable to carry it: a probe may fail once.
TOLERATED = 1
RESUME_REMEDY = "Resume what was stopped, then ask for a rollout again."
CAPACITY_REMEDY = (
    "Look at the cluster's capacity and at the model server's log, then ask for a rollout again."
)
MORE_REMEDY = "Give the rollout more time, or the analysis more requests: the plan says how many a verdict needs."
EVERYTHING = 100


def find_objection(progress: Progress, seen: "Situation") -> Outcome | None:
    """The first that holds; None when nothing speaks against it."""
    rules = (_taken_away, _aborted, _broken, _failed, _too_late, _inconclusive, _went_back)
    return next((found for rule in rules if (found := rule(progress, seen))), None)


def _taken_away(progress: Progress, seen: "Situation") -> Outcome | None:
    routed = seen.observation.routed and seen.observation.settled
    gone = routed and seen.observation.canary_percent == 0
    our_own = seen.observation.mark is TrafficMark.ROLLED_BACK
    if not (gone and progress.percent and seen.has_stable) or our_own:
        return None
    return _outcome(
        seen,
        RolloutState.ROLLED_BACK,
        "TrafficTakenAway",
        f"the route gives the canary nothing, where the rollout had given it {progress.percent} %",
        "Find out who turned the route; ask for a rollout again when it may go on.",
    )


def _aborted(_: Progress, seen: "Situation") -> Outcome | None:
    abort = next((given for given in seen.commands if given.command is Command.ABORT), None)
    if abort is None:
        return None
    return _outcome(
        seen,
        RolloutState.ABORTED,
        "Aborted",
        f"{abort.actor} aborted it",
        "Ask for a rollout again when it is wanted after all.",
    )


def _broken(progress: Progress, seen: "Situation") -> Outcome | None:
    """A revision that cannot be served; without traffic it has failed, with traffic it is rolled back."""
    canary = seen.observation.canary
    failed = canary.state is RevisionState.FAILED
    if progress.phase is Phase.PREPARING or not seen.has_stable:
        if not failed:
            return None
        code = canary.reason or "RevisionFailed"
        message = canary.message or code
        return _outcome(seen, RolloutState.FAILED, code, message, remedy_for(code))
    if not failed and (progress.unready <= TOLERATED or _is_stable_no_better(progress, seen)):
        return None
    stopped = canary.reason == STOPPED
    return _outcome(
        seen,
        RolloutState.ROLLED_BACK,
        "RevisionStopped" if stopped else "RevisionUnhealthy",
        f"the revision is {canary.state} under traffic: {canary.message or canary.reason or 'no more is known'}",
        RESUME_REMEDY if stopped else DEFAULT_REMEDY,
    )


def _is_stable_no_better(progress: Progress, seen: "Situation") -> bool:
    """Both are stopped, start again, or have lost their node: that is not the canary's fault, and nobody would gain."""
    stable = seen.observation.stable
    if stable is None or stable.answers:
        return False
    return progress.percent < EVERYTHING or stable.reason == STOPPED


def _failed(_: Progress, seen: "Situation") -> Outcome | None:
    judgement = seen.judgement
    if judgement is None or judgement.verdict is not Verdict.FAIL:
        return None
    check = judgement.decisive
    state = RolloutState.ROLLED_BACK if seen.has_stable else RolloutState.FAILED
    return _outcome(
        seen,
        state,
        check.code if check else "AnalysisFailed",
        check.message if check else "the analysis failed",
        "Compare the two revisions in the rollout's evidence, mend the model and upload it again.",
    )


def _too_late(progress: Progress, seen: "Situation") -> Outcome | None:
    if progress.phase is Phase.PREPARING:
        if seen.ready or seen.moment <= min(seen.ready_by, seen.deadline):
            return _paused_too_long(progress, seen)
        canary = seen.observation.canary
        return _outcome(
            seen,
            RolloutState.TIMED_OUT,
            "DeadlineExceeded",
            f"the revision was not ready by {seen.ready_by:%H:%M:%S} UTC: {canary.message or canary.state}",
            CAPACITY_REMEDY,
        )
    return _past_deadline(progress, seen)


def _paused_too_long(progress: Progress, seen: "Situation") -> Outcome | None:
    return _past_deadline(progress, seen) if progress.paused else None


def _past_deadline(progress: Progress, seen: "Situation") -> Outcome | None:
    if seen.moment <= seen.deadline:
        return None
    verdict = progress.judgement.verdict if progress.judgement else "none"
    canary = seen.observation.canary
    message = f"it was {progress.phase} at {progress.percent} % at its deadline; the verdict was {verdict}"
    if seen.ready:
        remedy = MORE_REMEDY
    else:
        message += f"; the revision was {canary.state}: {canary.message}"
        remedy = RESUME_REMEDY if canary.reason == STOPPED else CAPACITY_REMEDY
    return _outcome(seen, RolloutState.TIMED_OUT, "DeadlineExceeded", message, remedy)


def _inconclusive(progress: Progress, seen: "Situation") -> Outcome | None:
    """The step's time is over without a verdict, and the policy wants it to end so."""
    if seen.policy.on_inconclusive is not OnInconclusive.ABORT or progress.paused:
        return None
    if progress.phase is not Phase.STEPPING or progress.since is None or progress.by_hand:
        return None
    step = seen.policy.steps[progress.step]
    lasted = (seen.moment - progress.since).total_seconds()
    judgement = seen.judgement
    if not step.judged or lasted < step.bake_seconds:
        return None
    if judgement is None or judgement.verdict is not Verdict.INCONCLUSIVE:
        return None
    if lacks_figures(progress, seen) or _is_stable_no_better(progress, seen):
        return None
    check = judgement.decisive
    return _outcome(
        seen,
        RolloutState.ROLLED_BACK,
        "Inconclusive",
        f"no verdict within {step.bake_seconds} s: {check.message if check else 'nothing was measured'}",
        "Give the step more time or a larger share, or set on_inconclusive to Wait or Ask.",
    )


def _went_back(_: Progress, seen: "Situation") -> Outcome | None:
    """We rolled it back, the record of it was lost, and what spoke against the canary then does so no more."""
    if seen.observation.mark is not TrafficMark.ROLLED_BACK:
        return None
    return _outcome(
        seen,
        RolloutState.ROLLED_BACK,
        "RecordLost",
        "the traffic was sent back, and the record of why was lost",
        "Look at the rollout's last ticks in its evidence; ask for a rollout again when it may go on.",
    )


def _outcome(
    seen: "Situation", state: RolloutState, code: str, message: str, remedy: str
) -> Outcome:
    reason = Reason(code=code, message=message, remedy=remedy)
    return Outcome(state=state, reason=reason, seen_at=seen.moment)
