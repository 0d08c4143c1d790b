"""The verdict of a tick. The method and why: docs/verdict.md and docs/adr/0019-verdict.md."""

from collections.abc import Sequence
from datetime import datetime

from controlplane.serving.analysis import (
    AnalysisPolicy,
    CheckResult,
    Judgement,
    Reading,
    Verdict,
)
from controlplane.serving.statistics.checks import Counted, ShareCheck, share_checks
from controlplane.serving.statistics.counts import Missing, Window
from controlplane.serving.statistics.evidence import (
    Evidence,
    ShareEvidence,
    Shares,
    ValueEvidence,
    begin_step,
)
from controlplane.serving.statistics.likelihood import absolute_factors, relative_factors
from controlplane.serving.statistics.process import absorb
from controlplane.serving.statistics.shares import judge_shares, largest_share
from controlplane.serving.statistics.values import judge_value
from controlplane.serving.statistics.windows import find_obstacle, take_window

__all__ = ["Evidence", "begin_step", "evidence_needed", "judge"]


def judge(
    policy: AnalysisPolicy,
    evidence: Evidence,
    reading: Reading,
    *,
    moment: datetime,
    compared: bool = True,
) -> tuple[Evidence, Judgement]:
    """What is known after one more reading, and the verdict.

    `compared` is False when all traffic is the canary's: then what is compared before is judged by what the stable
    revision was seen to have until then.
    A check that has failed stays failed, whatever later readings say or do not say: its evidence has once been as
    large as the policy asks for, and Ville's inequality is about just that. Never raises for what a source may give.
    """
    before = evidence.last
    evidence, window, missing = take_window(
        policy, evidence, reading, moment=moment, compared=compared
    )
    obstacle = missing or find_obstacle(policy, evidence, compared=compared)
    shares, values = dict(evidence.shares), dict(evidence.values)
    results: list[CheckResult] = []
    needed = evidence_needed(policy)
    for check in share_checks(policy):
        seen, own = _absorb(check, shares.get(check.name, ShareEvidence()), window, needed)
        shares[check.name] = seen
        alone = not compared and check.limit is None
        limit = largest_share(check, seen, needed) if alone else None
        results.append(judge_shares(policy, check, seen, obstacle or own, needed, limit))
    for metric in policy.values:
        values[metric.name], result = judge_value(
            metric,
            values.get(metric.name, ValueEvidence()),
            reading.values.get(metric.name),
            obstacle=obstacle,
            fresh=evidence.last != before,
            compared=compared,
        )
        results.append(result)
    if not results:
        results.append(_traffic(evidence, obstacle))
    return evidence.model_copy(update={"shares": shares, "values": values}), _verdict(results)


def evidence_needed(policy: AnalysisPolicy) -> float:
    """The evidence at which a check fails: the chance of a false alarm is shared out evenly among the checks."""
    return max(1, len(share_checks(policy))) / policy.false_alarm


def _absorb(
    check: ShareCheck, seen: ShareEvidence, window: Window | None, needed: float
) -> tuple[ShareEvidence, Missing | None]:
    if window is None:
        return seen, None
    alone = not window.compared and check.limit is None
    counted = check.count(window.with_stable_so_far() if alone else window)
    if isinstance(counted, Missing):
        return seen, counted
    if not alone:
        return _with(seen, counted, _factors(check, counted.surely)), None
    if seen.surely.stable:
        # What it was seen to have beside the canary says more than all that it ever had.
        counted = counted.of_canary
    # Known before the canary's answers that are judged by it; it stays as it is, for nothing is added any more.
    known = seen.model_copy(update={"surely": seen.surely.plus(counted.surely.of_stable)})
    limit = largest_share(check, known, needed)
    return _with(seen, counted, _absolute(counted.surely, limit)), None


def _factors(check: ShareCheck, tick: Shares) -> Sequence[float]:
    if check.limit is not None:
        return _absolute(tick, check.limit)
    return relative_factors(tick) if _tells(tick) else ()


def _absolute(tick: Shares, limit: float | None) -> Sequence[float]:
    return absolute_factors(tick, limit) if tick.canary and limit is not None else ()


def _with(seen: ShareEvidence, counted: Counted, factors: Sequence[float]) -> ShareEvidence:
    tick = counted.surely
    process = absorb(seen.process, factors) if factors else seen.process
    return seen.model_copy(
        update={
            "surely": seen.surely.plus(tick),
            "possibly": seen.possibly.plus(counted.possibly),
            "step": seen.step.plus(counted.possibly),
            "process": process,
            "threshold": counted.threshold,
        }
    )


def _tells(tick: Shares) -> bool:
    """Without bad answers, good ones, or either revision all the ratios are as likely: no tick to count."""
    bad = tick.stable_bad + tick.canary_bad
    return bool(tick.stable and tick.canary and 0 < bad < tick.stable + tick.canary)


def _traffic(evidence: Evidence, obstacle: Missing | None) -> CheckResult:
    """All that can be judged where a policy has no check for this stage: that there is traffic, and data on it."""
    verdict = Verdict.INCONCLUSIVE if obstacle else Verdict.PASS
    return CheckResult(
        check="traffic",
        verdict=verdict,
        code=obstacle.code if obstacle else "NothingToCompare",
        message=obstacle.message if obstacle else "the data is fresh; nothing else is judged here",
        samples_stable=evidence.step_stable,
        samples_canary=evidence.step_canary,
    )


def _verdict(results: list[CheckResult]) -> Judgement:
    verdicts = {result.verdict for result in results}
    if Verdict.FAIL in verdicts:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts else Verdict.PASS
    return Judgement(verdict=verdict, checks=tuple(results))
