"""When a rollout is rolled back, by Headrace's rule and by the two that it is measured against.

Each rule looks at every tick of many rollouts at once and says which of them it rolls back now.
"""

import math
from functools import cache
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from controlplane.serving.statistics.evidence import Shares
from controlplane.serving.statistics.likelihood import relative_factors
from controlplane.serving.statistics.odds import GRID_SIZE
from controlplane.serving.statistics.process import SCALE, unspent
from local.bench_verdict.simulation import Counts, Tick

Alarms: TypeAlias = NDArray[np.bool_]

FEWEST_REQUESTS = 50  # of the canary, before a threshold or the repeated test decides
ONE_SIDED_1_PERCENT = 2.3263  # standard deviations


class Rule(Protocol):
    def look(self, tick: Tick) -> Alarms: ...


class Evidence:
    """Headrace's: the evidence process of `controlplane.serving.statistics`, for arrays.

    The factors of a tick are the product's own; that adding them up here is what `absorb` does is a test.
    """

    def __init__(self, runs: int, needed: float) -> None:
        self.logs = np.full((runs, GRID_SIZE), -np.inf)
        self.ticks: Counts = np.zeros(runs, dtype=np.int64)
        self.evidence = np.zeros(runs)
        self._needed = math.log(needed)

    def look(self, tick: Tick) -> Alarms:
        bad = tick.stable_bad + tick.canary_bad
        every = tick.stable + tick.canary
        telling = (tick.stable > 0) & (tick.canary > 0) & (bad > 0) & (bad < every)
        self.ticks += telling
        left = unspent_after(self.ticks[telling])
        placed = np.log(unspent_after(self.ticks[telling] - 1) - left)
        logs = np.logaddexp(self.logs[telling], placed[:, None]) + _factors(tick, telling)
        self.logs[telling] = np.floor(logs * SCALE) / SCALE
        parts = self.logs[telling] - math.log(GRID_SIZE)
        self.evidence[telling] = np.logaddexp(_log_sums(parts), np.log(left))
        return self.evidence >= self._needed


class Threshold:
    """A fixed bound of the canary's error rate in the step, as alarms of a monitoring service have it."""

    def __init__(self, runs: int, bound: float) -> None:
        self._bound = bound
        self._step = 0
        self._canary: Counts = np.zeros(runs, dtype=np.int64)
        self._bad: Counts = np.zeros(runs, dtype=np.int64)

    def look(self, tick: Tick) -> Alarms:
        if tick.step != self._step:
            self._step = tick.step
            self._canary = np.zeros_like(self._canary)
            self._bad = np.zeros_like(self._bad)
        self._canary += tick.canary
        self._bad += tick.canary_bad
        return (self._canary >= FEWEST_REQUESTS) & (self._bad > self._bound * self._canary)


class RepeatedTest:
    """A one-sided two-proportion z-test at 1 % of all counts so far, looked at at every tick."""

    def __init__(self, runs: int) -> None:
        self._sums: Counts = np.zeros((4, runs), dtype=np.int64)

    def look(self, tick: Tick) -> Alarms:
        self._sums += np.stack([tick.stable, tick.stable_bad, tick.canary, tick.canary_bad])
        stable, stable_bad, canary, canary_bad = self._sums
        stable, canary_all = np.maximum(stable, 1), np.maximum(canary, 1)
        pooled = (stable_bad + canary_bad) / (stable + canary_all)
        variance = pooled * (1 - pooled) * (1 / stable + 1 / canary_all)
        difference = canary_bad / canary_all - stable_bad / stable
        far = difference > ONE_SIDED_1_PERCENT * np.sqrt(variance)
        return np.asarray(far & (canary >= FEWEST_REQUESTS) & (variance > 0))


def unspent_after(ticks: NDArray[np.int64]) -> NDArray[np.float64]:
    values = [unspent(number) for number in range(int(ticks.max(initial=0)) + 1)]
    return np.asarray(values)[ticks]


def _log_sums(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = logs.max(axis=1, initial=-np.inf)
    sums = np.exp(logs - largest[:, None]).sum(axis=1)
    return np.asarray(largest + np.log(sums))


def _factors(tick: Tick, telling: Alarms) -> NDArray[np.float64]:
    counts = np.stack([tick.stable, tick.stable_bad, tick.canary, tick.canary_bad], axis=1)
    different, which = np.unique(counts[telling], axis=0, return_inverse=True)
    if not len(different):
        return np.empty((0, GRID_SIZE))
    table = np.asarray([_factors_of(*(int(number) for number in row)) for row in different])
    return np.asarray(table[which.reshape(-1)])


@cache
def _factors_of(stable: int, stable_bad: int, canary: int, canary_bad: int) -> tuple[float, ...]:
    return relative_factors(
        Shares(stable=stable, stable_bad=stable_bad, canary=canary, canary_bad=canary_bad)
    )
