"""What is measured: how often rollouts are rolled back, and how many of the canary's requests that takes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.bench_verdict.rules import Evidence, RepeatedTest, Rule, Threshold
from local.bench_verdict.simulation import Scenario, simulate

Z_95 = 1.959964

RULES: dict[str, Callable[[int, float], Rule]] = {
    "Headrace": Evidence,
    "z-test at each tick": lambda runs, _: RepeatedTest(runs),
    "threshold 5 %": lambda runs, _: Threshold(runs, 0.05),
    "threshold 1 %": lambda runs, _: Threshold(runs, 0.01),
}


@dataclass(frozen=True)
class Rate:
    """How many of `runs` there were."""

    times: int
    runs: int

    @property
    def share(self) -> float:
        return self.times / self.runs

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval at 95 % (Journal of the American Statistical Association 22, 1927)."""
        n, share = self.runs, self.share
        middle = share + Z_95**2 / (2 * n)
        half = Z_95 * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n * n))
        below = 0.0 if not self.times else (middle - half) / (1 + Z_95**2 / n)
        above = 1.0 if self.times == n else (middle + half) / (1 + Z_95**2 / n)
        return below, above


@dataclass(frozen=True)
class Rollbacks:
    """What one rule did to all rollouts of a scenario: when each was rolled back (requests of the canary; inf: not)."""

    requests: NDArray[np.float64]

    @property
    def rate(self) -> Rate:
        return Rate(int(np.isfinite(self.requests).sum()), len(self.requests))

    def requests_for(self, share: float) -> float:
        """Requests of the canary after which this share of all rollouts has been rolled back; inf if never."""
        ordered = np.sort(self.requests)
        return float(ordered[math.ceil(share * len(ordered)) - 1])


def measure(
    scenario: Scenario,
    runs: int,
    seed: Sequence[int],
    needed: float,
    rules: Sequence[str] = tuple(RULES),
) -> dict[str, Rollbacks]:
    """All rules on the same rollouts."""
    looking = {name: RULES[name](runs, needed) for name in rules}
    rolled_back = {name: np.full(runs, np.inf) for name in rules}
    sent = np.zeros(runs)
    for tick in simulate(scenario, runs, np.random.default_rng(seed)):
        sent += tick.canary
        for name, rule in looking.items():
            now = rule.look(tick) & np.isinf(rolled_back[name])
            rolled_back[name][now] = sent[now]
    return {name: Rollbacks(requests) for name, requests in rolled_back.items()}
