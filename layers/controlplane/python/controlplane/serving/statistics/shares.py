"""The result of a check that compares shares: decided by evidence, by bounds, or not yet."""

import math
from collections.abc import Sequence

from controlplane.serving.analysis import AnalysisPolicy, CheckResult, Verdict
from controlplane.serving.statistics.bounds import lower_bound, upper_bound
from controlplane.serving.statistics.checks import ShareCheck
from controlplane.serving.statistics.counts import Missing
from controlplane.serving.statistics.evidence import ShareEvidence, Shares
from controlplane.serving.statistics.wording import evidence_words, percent, points, shares_words

# exp of more is no float; nobody needs more evidence than this.
LARGEST_LOG = 700.0

Outcome = tuple[Verdict, str, str]
UNKNOWN: Outcome = (
    Verdict.INCONCLUSIVE,
    "NoBaseline",
    "too little was seen of the stable revision to judge the canary by it",
)


def judge_shares(
    policy: AnalysisPolicy,
    check: ShareCheck,
    seen: ShareEvidence,
    obstacle: Missing | None,
    needed: float,
    limit: float | None = None,
) -> CheckResult:
    """Fail once the evidence has been as large as `needed`; else Inconclusive if anything stands against a Pass.

    `limit`: what a comparing check is judged by when all traffic is the canary's; None while there is something to
    compare with.
    """
    evidence = math.exp(min(seen.process.peak, LARGEST_LOG))
    failed = seen.process.peak >= math.log(needed)
    shown = _shown(seen, failed=failed, alone=limit is not None)
    words = shares_words(check, shown, seen.threshold)
    if limit is not None:
        words = f"{words} before, {percent(limit)} allowed"
    if failed:
        outcome = Verdict.FAIL, check.code, f"{words}: {evidence_words(evidence, needed)}"
    elif obstacle:
        outcome = Verdict.INCONCLUSIVE, obstacle.code, obstacle.message
    elif limit is not None:
        outcome = _like_before(policy, check, shown, limit, words)
    elif check.limit is not None:
        outcome = _within_limit(check.limit, (shown.canary_share, seen.step.canary_share), words)
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


def _shown(seen: ShareEvidence, *, failed: bool, alone: bool) -> Shares:
    if alone:  # the canary's since it has all the traffic, the stable revision's until then
        return seen.surely.of_stable.plus(seen.step.of_canary)
    return seen.surely if failed else seen.possibly


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


def _like_before(
    policy: AnalysisPolicy, check: ShareCheck, shown: Shares, limit: float, words: str
) -> Outcome:
    """As many answers of the stable revision are wanted as of the canary, and a limit that excludes anything."""
    if shown.stable < policy.min_requests or limit >= 1 > check.increase:
        return UNKNOWN
    return _within_limit(limit, (shown.canary_share,), words)


def largest_share(check: ShareCheck, seen: ShareEvidence, needed: float) -> float:
    """The most that a canary with all the traffic may have: the stable revision's largest share, and the increase.

    The bound of that share is wrong as seldom as a check fails by chance. 1 when nothing is known of it.
    """
    highest = upper_bound(seen.surely.stable_bad, seen.surely.stable, 1 / needed)
    return min(1.0, max(check.floor, highest) + check.increase)


def _within_limit(limit: float, shares: Sequence[float | None], words: str) -> Outcome:
    """A guard is passed by keeping it; that it will be kept for ever is not what it proves."""
    if any(share is None or share > limit for share in shares):
        message = f"{words}: above {percent(limit)}, but not beyond chance"
        return Verdict.INCONCLUSIVE, "AboveLimit", message
    return Verdict.PASS, "WithinLimit", f"{words}: within {percent(limit)}"
