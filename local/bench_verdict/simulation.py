"""Many rollouts at once, tick by tick: what stable revision and canary have answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Counts: TypeAlias = NDArray[np.int64]

OUTAGE_RATE = 0.5
OUTAGE_EVERY = 20  # ticks; both revisions fail in them alike


@dataclass(frozen=True)
class Tick:
    """What one tick added, an entry for each rollout. `step` counts the shares of traffic from 0."""

    step: int
    stable: Counts
    stable_bad: Counts
    canary: Counts
    canary_bad: Counts


@dataclass(frozen=True)
class Scenario:
    """Rollouts with `requests` a tick, of which the canary gets each of `shares` for `ticks` ticks.

    Errors: `base` of the stable revision's requests, `base + worse` of the canary's from tick `onset` on. With
    `outages` both revisions' rates rise to OUTAGE_RATE in some ticks.
    """

    base: float
    worse: float = 0.0
    shares: tuple[float, ...] = (0.1, 0.5)
    ticks: int = 60
    requests: int = 100
    onset: int = 0
    outages: bool = False

    @property
    def length(self) -> int:
        return self.ticks * len(self.shares)


def simulate(scenario: Scenario, runs: int, random: np.random.Generator) -> Iterator[Tick]:
    """Ticks of `runs` independent rollouts; each request goes to the canary with the chance of its share."""
    for tick in range(scenario.length):
        step = tick // scenario.ticks
        base, worse = scenario.base, scenario.base + scenario.worse * (tick >= scenario.onset)
        if scenario.outages and tick % OUTAGE_EVERY == OUTAGE_EVERY - 1:
            base, worse = OUTAGE_RATE, max(OUTAGE_RATE, worse)
        canary = random.binomial(scenario.requests, scenario.shares[step], runs)
        stable = scenario.requests - canary
        yield Tick(
            step=step,
            stable=stable,
            stable_bad=random.binomial(stable, base),
            canary=canary,
            canary_bad=random.binomial(canary, worse),
        )
