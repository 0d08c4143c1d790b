"""The judgement of one tick: the metrics read, and the statistics asked; Inconclusive wherever that is not possible."""

import logging
from dataclasses import dataclass
from datetime import datetime

from controlplane.errors import UnavailableError
from controlplane.serving.analysis import (
    CheckResult,
    Judgement,
    Reading,
    Unanswered,
    Verdict,
)
from controlplane.serving.cluster_ports import TransitionObservation
from controlplane.serving.metric_ports import MetricSource, ReadingRequest
from controlplane.serving.model import FrozenPlan
from controlplane.serving.ports import RevisionState
from controlplane.serving.preflight import transition_of
from controlplane.serving.progress import Progress
from controlplane.serving.rollout import Owned
from controlplane.serving.states import Phase
from controlplane.serving.statistics.evidence import Evidence
from controlplane.serving.statistics.judging import judge
from controlplane.serving.strategy import RolloutPolicy

logger = logging.getLogger(__name__)
_COPIES = "/copies"


@dataclass(frozen=True)
class Judged:
    """None where the tick was not to be judged."""

    evidence: Evidence
    judgement: Judgement | None = None


def judge_tick(
    owned: Owned,
    plan: FrozenPlan,
    observation: TransitionObservation,
    moment: datetime,
    metrics: MetricSource,
    unanswered: Unanswered,
) -> Judged:
    """What the metrics say at this tick. Beside a stable revision that answers nothing nobody is proven good.

    A Fail stays one: both are compared in the same stretch of time, whatever trouble that was.
    `unanswered` are all probes of the rollout that were not answered in time.
    """
    progress = owned.progress
    if not _is_judged(owned, plan, observation):
        return Judged(progress.evidence)
    reading = _read(owned, plan, metrics, unanswered)
    if reading is None:
        return Judged(progress.evidence, _inconclusive("MetricsUnavailable", "no metrics came"))
    compared = progress.phase is not Phase.BAKING
    evidence, judgement = judge(
        plan.policy.analysis, progress.evidence, reading, moment=moment, compared=compared
    )
    if progress.phase is Phase.PREPARING:
        return Judged(evidence)
    stable = observation.stable
    doubtful = compared and judgement.verdict is not Verdict.FAIL
    if doubtful and stable is not None and not stable.answers:
        seen = f"the stable revision is {stable.state}: {stable.message}"
        return Judged(evidence, _inconclusive("StableUnhealthy", seen))
    return Judged(evidence, judgement)


def _is_judged(owned: Owned, plan: FrozenPlan, observation: TransitionObservation) -> bool:
    """From the moment when the canary is ready: the first step, or the last bake, has a reading to begin with."""
    progress, policy = owned.progress, plan.policy
    if plan.stable is None or progress.phase is Phase.ROLLING_BACK:
        return False
    if progress.phase is Phase.PREPARING:
        wanted = policy.steps or policy.final_bake_seconds
        return bool(wanted) and observation.canary.state is RevisionState.READY
    if progress.phase is Phase.BAKING:
        return policy.final_bake_seconds > 0
    return True


def _read(
    owned: Owned, plan: FrozenPlan, metrics: MetricSource, unanswered: Unanswered
) -> Reading | None:
    progress = owned.progress
    transition = transition_of(owned, plan)
    mirrored = _is_mirrored(progress, plan.policy)
    request = ReadingRequest(
        *owned.reference.place,
        plan.mechanism,
        transition.canary.name,
        transition.stable.name if transition.stable else None,
        since=owned.active.started_at,
        mirrored=mirrored,
        policy=plan.policy.analysis,
        headers=transition.headers,
    )
    try:
        reading = metrics.read(request)
    except UnavailableError as away:
        logger.warning("a tick of the rollout has no metrics: %s", away)
        return None
    if not mirrored:
        return reading.with_unanswered(unanswered)
    # Copies are counted apart: no difference is taken between them and what callers themselves ask for.
    return reading.model_copy(update={"generation": f"{reading.generation}{_COPIES}"})


def _is_mirrored(progress: Progress, policy: RolloutPolicy) -> bool:
    """Whether the canary's answers are those to copies. While it is prepared, as in the first step.

    What a source has counted before that is of an earlier rollout of the same version, and not judged again.
    """
    if progress.phase is Phase.BAKING or not policy.steps:
        return False
    preparing = progress.phase is Phase.PREPARING
    step = policy.steps[0 if preparing else progress.step]
    return bool(not step.percent and step.mirror_percent)


def _inconclusive(code: str, message: str) -> Judgement:
    check = CheckResult(check="traffic", verdict=Verdict.INCONCLUSIVE, code=code, message=message)
    return Judgement(verdict=Verdict.INCONCLUSIVE, checks=(check,))
