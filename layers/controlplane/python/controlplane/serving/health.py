"""How the canary is: whether it can carry what it is given, and whether a look has said anything of it."""

from datetime import timedelta
from typing import TYPE_CHECKING

from controlplane.serving.analysis import Judgement, Verdict
from controlplane.serving.progress import Progress
from controlplane.serving.states import Phase

if TYPE_CHECKING:  # the decision asks, and the answers rest on its situation
    from controlplane.serving.decision import Situation

STOPPED = "Stopped"
# What a look says that has brought no figures: of itself, and nothing of the canary.
GAPS = frozenset(
    {"MetricsUnavailable", "NoData", "StaleData", "FirstReading", "CounterReset", "StableUnhealthy"}
)


def watch_canary(progress: Progress, seen: "Situation") -> Progress:
    """What is remembered of how the canary is, and of when it was judged last."""
    if seen.judgement is not None and not _is_gap(seen.judgement):
        progress = progress.with_changes(judged_at=seen.moment)
    if progress.carrying is None and seen.ready:
        least = min(seen.observation.canary_replicas, max(1, seen.canary_least))
        progress = progress.with_changes(carrying=least)
    if not seen.first or progress.phase is Phase.PREPARING:
        return progress
    unready = 0 if can_carry(progress, seen) else progress.unready + 1
    return progress.with_changes(unready=unready)


def can_carry(progress: Progress, seen: "Situation") -> bool:
    """Whether the canary can answer what it is given; that it grows, or has lost one of many, is no fault of it."""
    enough = seen.observation.canary_replicas >= (progress.carrying or 1)
    return seen.ready or (seen.observation.canary.serves and enough)


def lacks_figures(progress: Progress, seen: "Situation") -> bool:
    """Whether this look has none, and the last that had some is not older than figures may be: then look again."""
    if progress.judged_at is None or seen.judgement is None or not _is_gap(seen.judgement):
        return False
    kept = timedelta(seconds=seen.policy.analysis.max_age_seconds)
    return seen.moment - progress.judged_at <= kept


def _is_gap(judgement: Judgement) -> bool:
    if judgement.verdict is not Verdict.INCONCLUSIVE:
        return False
    checks = judgement.checks
    return all(check.code in GAPS for check in checks if check.verdict is Verdict.INCONCLUSIVE)
