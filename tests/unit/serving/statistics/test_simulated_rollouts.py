"""The promises by simulated rollouts: a small `make bench-verdict`, which fails when the method is broken."""

import math

import numpy as np
import pytest

from controlplane.serving.analysis import AnalysisPolicy
from controlplane.serving.statistics import likelihood
from controlplane.serving.statistics.evidence import Shares
from controlplane.serving.statistics.likelihood import relative_factors
from controlplane.serving.statistics.odds import LOG_RATIOS
from controlplane.serving.statistics.process import EvidenceProcess, absorb, log_evidence
from local.bench_verdict import rules
from local.bench_verdict.figures import Rate, measure
from local.bench_verdict.journeys import travel_all
from local.bench_verdict.rules import Alarms, Evidence
from local.bench_verdict.simulation import Scenario, Tick, simulate

RUNS = 600
NEEDED = 200  # two checks, 1 % of false alarms
EQUAL = [Scenario(0.01), Scenario(0.01, outages=True), Scenario(0.2)]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    rules._factors_of.cache_clear()


@pytest.mark.parametrize("scenario", EQUAL)
def test_equally_good_canaries_are_hardly_ever_rolled_back(scenario: Scenario) -> None:
    rollbacks = measure(scenario, RUNS, (1,), NEEDED)["Headrace"]
    assert rollbacks.rate.interval[0] <= 0.01


def test_errors_in_clusters_do_no_harm_while_each_request_is_routed_by_itself() -> None:
    """Now and then ten bad requests in a row, whichever revision gets them; the route draws lots for each."""
    random, evidence = np.random.default_rng(6), Evidence(RUNS, NEEDED)
    failed: Alarms = np.zeros(RUNS, dtype=bool)
    for _ in range(120):
        bad = 10 * random.binomial(9, 0.02, RUNS)
        canary = random.binomial(90, 0.1, RUNS)
        canary_bad = random.hypergeometric(bad, 90 - bad, canary)
        failed |= evidence.look(Tick(0, 90 - canary, bad - canary_bad, canary, canary_bad))
    assert Rate(int(failed.sum()), RUNS).interval[0] <= 0.01


def test_the_simulation_sees_that_a_repeated_test_is_none() -> None:
    rollbacks = measure(Scenario(0.01), RUNS, (1,), NEEDED)["z-test at each tick"]
    assert rollbacks.rate.interval[0] > 0.05


def test_the_simulation_sees_a_method_that_forgets_the_conditional_denominator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if all bad answers were equally likely to be either revision's, whatever their shares of the traffic."""

    def broken(tick: Shares) -> tuple[float, ...]:
        bad = tick.stable_bad + tick.canary_bad
        return tuple(
            tick.canary_bad * ratio - bad * math.log((1 + math.exp(ratio)) / 2)
            for ratio in LOG_RATIOS
        )

    monkeypatch.setattr(rules, "relative_factors", broken)
    uneven = Scenario(0.01, shares=(0.7,), ticks=120)
    assert measure(uneven, RUNS, (1,), NEEDED)["Headrace"].rate.interval[0] > 0.01


def test_the_simulation_sees_a_method_that_expects_too_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(stable: int, canary: int, bad: int) -> list[float]:
        share = canary / (stable + canary)
        return [bad * share * ratio for ratio in LOG_RATIOS]

    monkeypatch.setattr(likelihood, "_exact_expectations", broken)
    assert measure(Scenario(0.01), RUNS, (1,), NEEDED)["Headrace"].rate.interval[0] > 0.01


@pytest.mark.parametrize(
    ("scenario", "most"),
    [(Scenario(0.0, 0.05), 250), (Scenario(0.01, 0.2), 110), (Scenario(0.01, 0.05), 500)],
)
def test_worse_canaries_are_rolled_back_in_time(scenario: Scenario, most: int) -> None:
    rollbacks = measure(scenario, RUNS, (2,), NEEDED)["Headrace"]
    assert rollbacks.requests_for(0.9) <= most


def test_a_canary_that_becomes_worse_late_is_still_found() -> None:
    late = Scenario(0.01, 0.2, shares=(0.1,), ticks=240, onset=200)
    rollbacks = measure(late, RUNS, (3,), NEEDED)["Headrace"]
    assert rollbacks.requests_for(0.9) - 200 * late.requests * 0.1 <= 150


def test_arrays_add_up_what_the_product_does() -> None:
    """The benchmark's arrays are the product's evidence, but for rounding."""
    scenario, runs = Scenario(0.03, 0.02, ticks=30), 20
    ticks = list(simulate(scenario, runs, np.random.default_rng(4)))
    arrays, processes = Evidence(runs, NEEDED), [EvidenceProcess()] * runs
    for tick in ticks:
        arrays.look(tick)
        for run in range(runs):
            shares = Shares(
                stable=int(tick.stable[run]),
                stable_bad=int(tick.stable_bad[run]),
                canary=int(tick.canary[run]),
                canary_bad=int(tick.canary_bad[run]),
            )
            if shares.stable_bad + shares.canary_bad:
                processes[run] = absorb(processes[run], relative_factors(shares))
    for run, process in enumerate(processes):
        assert process.ticks == arrays.ticks[run]
        assert log_evidence(process) == pytest.approx(arrays.evidence[run], abs=0.01)


def test_whole_rollouts_keep_their_promises() -> None:
    policy = AnalysisPolicy()
    equal = travel_all(policy, Scenario(0.01), 15, (5,))
    assert equal.rolled_back.times == 0
    assert equal.promotable.times >= 14
    slow = travel_all(policy, Scenario(0.01), 15, (5,), slower=3)
    assert slow.rolled_back.times == 15
    worse = travel_all(policy, Scenario(0.2, 0.055), 15, (5,))
    assert worse.believed.times <= 1


def test_an_interval_of_a_rate_holds_it() -> None:
    assert Rate(0, 100).interval == pytest.approx((0, 0.037), abs=0.001)
    assert Rate(50, 100).interval == pytest.approx((0.404, 0.596), abs=0.001)
    assert Rate(100, 100).interval[1] == 1
