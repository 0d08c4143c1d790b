"""Whole rollouts judged by the product's own `judge`, step by step, errors and latencies together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from controlplane.serving.analysis import AnalysisPolicy, Reading, RevisionCounts, Verdict
from controlplane.serving.statistics.judging import Evidence, begin_step, judge
from local.bench_verdict.figures import Rate
from local.bench_verdict.simulation import Scenario, Tick, simulate

# Milliseconds; each 1.5 times the one before.
BOUNDS = tuple(round(5 * 1.5**place, 1) for place in range(16))
MEDIAN, SPREAD = (
    40.0,
    0.5,
)  # of the stable revision's times: log-normal, milliseconds and standard deviation of the log
TICK = timedelta(seconds=5)


@dataclass
class Totals:
    """What a revision has answered so far."""

    requests: int
    errors: int
    latencies: NDArray[np.int64]

    @classmethod
    def none(cls) -> "Totals":
        return cls(0, 0, np.zeros(len(BOUNDS) + 1, dtype=np.int64))

    def add(self, requests: int, errors: int, slower: float, random: np.random.Generator) -> None:
        times = MEDIAN * slower * random.lognormal(0, SPREAD, requests)
        places = np.searchsorted(BOUNDS, times)
        self.requests += requests
        self.errors += errors
        self.latencies += np.bincount(places, minlength=len(BOUNDS) + 1)

    @property
    def counts(self) -> RevisionCounts:
        return RevisionCounts(
            requests=self.requests,
            errors=self.errors,
            latency_bounds=BOUNDS,
            latency_counts=tuple(int(number) for number in self.latencies),
        )


@dataclass(frozen=True)
class Journey:
    """How a rollout went: rolled back, and how many of its steps passed before that."""

    rolled_back: bool
    passed: int
    evidence: Evidence


def travel(
    policy: AnalysisPolicy,
    ticks: Sequence[Tick],
    run: int,
    random: np.random.Generator,
    slower: float = 1.0,
) -> Journey:
    """One of the simulated rollouts; the canary's answers take `slower` times as long."""
    stable, canary, evidence = Totals.none(), Totals.none(), Evidence()
    moment, passed = datetime(2026, 1, 1, tzinfo=UTC), set[int]()
    evidence, _ = judge(policy, evidence, _reading(stable, canary, moment), moment=moment)
    for number, tick in enumerate(ticks):
        if number and tick.step != ticks[number - 1].step:
            evidence = begin_step(evidence)
        moment += TICK
        stable.add(int(tick.stable[run]), int(tick.stable_bad[run]), 1.0, random)
        canary.add(int(tick.canary[run]), int(tick.canary_bad[run]), slower, random)
        reading = _reading(stable, canary, moment)
        evidence, judgement = judge(policy, evidence, reading, moment=moment)
        if judgement.verdict is Verdict.FAIL:
            return Journey(True, len(passed), evidence)
        if judgement.verdict is Verdict.PASS:
            passed.add(tick.step)
    return Journey(False, len(passed), evidence)


def _reading(stable: Totals, canary: Totals, moment: datetime) -> Reading:
    return Reading(observed_at=moment, stable=stable.counts, canary=canary.counts)


@dataclass(frozen=True)
class Outcomes:
    """`promotable`: all steps passed and nothing failed. `believed`: some step passed, whatever came later."""

    rolled_back: Rate
    promotable: Rate
    believed: Rate


def travel_all(
    policy: AnalysisPolicy,
    scenario: Scenario,
    runs: int,
    seed: Sequence[int],
    slower: float = 1.0,
) -> Outcomes:
    random = np.random.default_rng(seed)
    ticks = list(simulate(scenario, runs, random))
    journeys = [travel(policy, ticks, run, random, slower) for run in range(runs)]
    steps = len(scenario.shares)
    good = sum(each.passed == steps and not each.rolled_back for each in journeys)
    return Outcomes(
        rolled_back=Rate(sum(each.rolled_back for each in journeys), runs),
        promotable=Rate(good, runs),
        believed=Rate(sum(each.passed > 0 for each in journeys), runs),
    )
