"""How much traffic a verdict will need, said before a rollout begins.

Approximate: counts are put where the normal distribution has the wanted chance, and all requests in one tick.
`make bench-verdict` prints these figures beside simulated ones.
"""

import math
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from controlplane.serving.analysis import PERCENT_POINT, AnalysisPolicy
from controlplane.serving.statistics.checks import PERCENT, share_checks
from controlplane.serving.statistics.evidence import Shares
from controlplane.serving.statistics.judging import evidence_needed
from controlplane.serving.statistics.likelihood import bounded_expectations
from controlplane.serving.statistics.odds import GRID_SIZE, LOG_RATIOS, log_sum
from controlplane.serving.statistics.process import unspent
from controlplane.serving.statistics.shares import largest_increase

REGRESSIONS = (1, 2, 5, 20)  # percent points
MOST_REQUESTS = 10**8
# Standard deviations below which a normal variable lies with a chance of 80 and of 95 %.
DEVIATIONS_80, DEVIATIONS_95 = 0.8416, 1.6449


class Detection(BaseModel):
    """Requests until a regression of so many percent points is seen, with a chance of 80 and of 95 %.

    None: more than MOST_REQUESTS of the canary, or there is no room for such a regression.
    """

    model_config = ConfigDict(frozen=True)

    points: float
    canary_80: int | None
    total_80: int | None
    canary_95: int | None
    total_95: int | None


class TrafficNeed(BaseModel):
    """Requests of the canary and of both together. To pass: at equal quality, with a chance of some 80 %.

    `detections` are of error rates, and empty where the policy does not compare them.
    """

    model_config = ConfigDict(frozen=True)

    canary_to_pass: int | None
    total_to_pass: int | None
    detections: tuple[Detection, ...]


def traffic_need(policy: AnalysisPolicy, *, error_rate: float, canary_share: float) -> TrafficNeed:
    """What the policy's verdicts need while the stable revision's error rate is `error_rate`.

    `canary_share`: of all requests, above 0 and below 1 (a mirror of half the requests: one third). Metrics of the
    user's own are taken to have the same share of bad events as requests.
    """
    ratio = (1 - canary_share) / canary_share
    canary = _requests_to_pass(policy, error_rate, ratio)
    detections = [
        _detection(policy, points, error_rate, ratio)
        for points in REGRESSIONS
        if policy.error_rate and error_rate + points * PERCENT_POINT <= 1
    ]
    return TrafficNeed(
        canary_to_pass=canary, total_to_pass=_total(canary, ratio), detections=tuple(detections)
    )


def _requests_to_pass(policy: AnalysisPolicy, error_rate: float, ratio: float) -> int | None:
    needs: list[int] = [policy.min_requests]
    for check in share_checks(policy):
        if check.limit is not None:
            continue
        share = check.floor or error_rate

        def passes(
            canary: int,
            share: float = share,
            floor: float = check.floor,
            increase: float = check.increase,
        ) -> bool:
            bad = share * canary + DEVIATIONS_80 * math.sqrt(canary * share * (1 - share))
            expected = Shares(
                canary=canary,
                canary_bad=min(math.ceil(bad), canary),
                stable=int(canary * ratio),
                stable_bad=int(share * canary * ratio),
            )
            return largest_increase(expected, policy.confidence, floor) <= increase

        need = _smallest(passes)
        if need is None:
            return None
        needs.append(need)
    return max(needs)


def _detection(policy: AnalysisPolicy, points: float, error_rate: float, ratio: float) -> Detection:
    worse = error_rate + points * PERCENT_POINT
    needed = math.log(evidence_needed(policy))

    def need(deviations: float) -> int | None:
        def detects(canary: int) -> bool:
            return _expected_evidence(canary, ratio, error_rate, worse, deviations) >= needed

        return _smallest(detects)

    one, other = need(DEVIATIONS_80), need(DEVIATIONS_95)
    return Detection(
        points=points,
        canary_80=one,
        total_80=_total(one, ratio),
        canary_95=other,
        total_95=_total(other, ratio),
    )


def _expected_evidence(
    canary: float, ratio: float, share: float, worse: float, deviations: float
) -> float:
    """The logarithm of the evidence that is exceeded with the chance that `deviations` stand for."""
    stable = canary * ratio
    spread = math.sqrt(canary * worse * (1 - worse) + canary / ratio * share * (1 - share))
    bad = canary * worse - deviations * spread
    if bad <= 0:
        return 0.0
    expected = bounded_expectations(stable, canary, stable * share + bad)
    logs = [bad * log - normal for log, normal in zip(LOG_RATIOS, expected, strict=True)]
    return log_sum(logs) + math.log((1 - unspent(1)) / GRID_SIZE)


def _smallest(enough: Callable[[int], bool]) -> int | None:
    """The smallest number that is enough, to some percent; None if MOST_REQUESTS are not."""
    high = 1
    while not enough(high):
        high *= 2
        if high > MOST_REQUESTS:
            return None
    low = high // 2
    while high - low > max(1, high // PERCENT):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _total(canary: int | None, ratio: float) -> int | None:
    return None if canary is None else math.ceil(canary * (1 + ratio))
