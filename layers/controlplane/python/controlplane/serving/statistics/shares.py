"""The result of a check that compares shares: decided by evidence, by bounds, or not yet."""

import math

from controlplane.serving.analysis import AnalysisPolicy, CheckResult, Verdict
from controlplane.serving.statistics.bounds import lower_bound, upper_bound
from controlplane.serving.statistics.checks import ShareCheck
from controlplane.serving.statistics.counts import Missing
from controlplane.serving.statistics.evidence import ShareEvidence, Shares
from controlplane.serving.statistics.wording import evidence_words, percent, points, shares_words

# exp of more is no float; nobody needs more evidence than this.
LARGEST_LOG = 700.0

Outcome = tuple[Verdict, str, str]


def judge_shares(
    policy: AnalysisPolicy,
    check: ShareCheck,
    seen: ShareEvidence,
    obstacle: Missing | None,
    needed: float,
) -> CheckResult:
    """Fail once the evidence has been as large as `needed`; else Inconclusive if anything stands against a Pass."""
    evidence = math.exp(min(seen.process.peak, LARGEST_LOG))
    failed = seen.process.peak >= math.log(needed)
    shown = seen.surely if failed else seen.possibly
    words = shares_words(check, shown, seen.threshold)
    if failed:
        outcome = Verdict.FAIL, check.code, f"{words}: {evidence_words(evidence, needed)}"
    elif obstacle:
        outcome = Verdict.INCONCLUSIVE, obstacle.code, obstacle.message
    elif check.limit is not None:
        outcome = _within_limit(check.limit, seen, words)
    else:
        outcome = _not_worse(policy, check, seen, words)
    verdict, code, message = outcome
    return CheckResult(
        check=check.name,
        verdict=verdict,
        code=code,
        message=message,
        stable=shown.stable_share,
        canary=shown.canary_share,
        samples_stable=shown.stable,
        samples_canary=shown.canary,
        evidence=evidence,
        needed=needed,
    )


def largest_increase(shares: Shares, confidence: float, floor: float = 0.0) -> float:
    """By how much the canary's share of bad answers may be above the stable revision's, or above `floor`.

    At the given confidence, at all moments at once: half of what may go wrong for each of the two bounds.
    """
    alpha = (1 - confidence) / 2
    stable = lower_bound(shares.stable_bad, shares.stable, alpha)
    return upper_bound(shares.canary_bad, shares.canary, alpha) - max(floor, stable)


def _not_worse(
    policy: AnalysisPolicy, check: ShareCheck, seen: ShareEvidence, words: str
) -> Outcome:
    possible = largest_increase(seen.possibly, policy.confidence, check.floor)
    allowed = f"{points(check.increase)} allowed"
    if possible > check.increase:
        message = f"{words}: up to {points(possible)} points more are possible, {allowed}"
        return Verdict.INCONCLUSIVE, "NotYetSure", message
    step = seen.step
    observed = (step.canary_share or 0.0) - max(check.floor, step.stable_share or 0.0)
    if not step.canary or observed > check.increase:
        message = f"{words}, but {points(observed)} points more in this step, {allowed}"
        return Verdict.INCONCLUSIVE, "WorseInThisStep", message
    message = f"{words}: at most {points(max(0.0, possible))} points more, {allowed}"
    return Verdict.PASS, "NotWorse", message


def _within_limit(limit: float, seen: ShareEvidence, words: str) -> Outcome:
    """A guard is passed by keeping it; that it will be kept for ever is not what it proves."""
    shares = seen.possibly.canary_share, seen.step.canary_share
    if any(share is None or share > limit for share in shares):
        message = f"{words}: above {percent(limit)}, but not beyond chance"
        return Verdict.INCONCLUSIVE, "AboveLimit", message
    return Verdict.PASS, "WithinLimit", f"{words}: within {percent(limit)}"
