"""How many replicas a predictor is to have: fixed, or by the processor time that they use.

It goes by the rule of Kubernetes' HorizontalPodAutoscaler, `ceil(replicas * usage / target)` with a
tolerance of a tenth, over the replicas that are ready. It looks oftener, and gives back sooner,
because a developer waits for it: every `period` seconds (there: 15), and after `settle` seconds
that wanted fewer (there: 300). Usage is measured from one look to the next.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from local.kserve_controller.specification import Scaling

TOLERANCE = 0.1


@dataclass(frozen=True)
class ScalingPolicy:
    """Seconds between two looks, and that fewer replicas must have been enough for."""

    period: float = 5.0
    settle: float = 30.0


@dataclass(frozen=True)
class ScalingState:
    """What was decided: `usage` is the mean of the replicas in percent, None when not measured."""

    scaling: Scaling
    desired: int
    usage: int | None = None


@dataclass(frozen=True)
class _Sample:
    at: float
    seconds: Mapping[str, float]


class Autoscaler:
    """Decides for one predictor. Times are seconds of a monotonic clock."""

    def __init__(self, policy: ScalingPolicy) -> None:
        self._policy = policy
        self._sample: _Sample | None = None
        self._wishes: deque[tuple[float, int]] = deque()
        self._state: ScalingState | None = None

    def decide(self, scaling: Scaling, used: Mapping[str, float], now: float) -> ScalingState:
        """The replicas that there shall be; `used` is the processor time of each ready one."""
        before = self._state.desired if self._state else scaling.least
        desired = min(max(before, scaling.least), scaling.most)
        usage = self._state.usage if self._state else None
        if not scaling.automatic:
            self._sample, usage = None, None
            self._wishes.clear()
        elif self._sample is None or not used:
            self._sample = _Sample(now, dict(used)) if used else None
        elif now >= self._sample.at + self._policy.period:
            usage = _usage(self._sample, used, now, scaling)
            self._sample = _Sample(now, dict(used))
            desired = self._follow(scaling, desired, len(used), usage, now)
        self._state = ScalingState(scaling, desired, usage)
        return self._state

    def next_look(self, scaling: Scaling) -> float | None:
        """When to decide again."""
        if not scaling.automatic or self._sample is None:
            return None
        return self._sample.at + self._policy.period

    def _follow(
        self, scaling: Scaling, desired: int, ready: int, usage: int | None, now: float
    ) -> int:
        if usage is None:
            return desired
        ratio = usage / scaling.target
        wish = desired if abs(ratio - 1) <= TOLERANCE else math.ceil(ready * ratio)
        wish = min(max(wish, scaling.least), scaling.most)
        self._wishes.append((now, wish))
        while self._wishes[0][0] < now - self._policy.settle:
            self._wishes.popleft()
        if wish >= desired:
            return wish
        return (
            min(desired, max(each for _, each in self._wishes)) if self._settled(now) else desired
        )

    def _settled(self, now: float) -> bool:
        """Whether the wishes that are kept reach back far enough to give replicas back."""
        return self._wishes[0][0] <= now - self._policy.settle + self._policy.period


def _usage(sample: _Sample, used: Mapping[str, float], now: float, scaling: Scaling) -> int | None:
    """Percent of what a replica requests, over those that were there at both looks."""
    both = [used[pod] - sample.seconds[pod] for pod in used if pod in sample.seconds]
    # A server that was started again counts from nothing.
    spent = [seconds for seconds in both if seconds >= 0]
    if not spent:
        return None
    cores = sum(spent) / len(spent) / (now - sample.at)
    return round(100 * cores / scaling.cpu_request)
