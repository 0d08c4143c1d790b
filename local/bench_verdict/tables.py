"""The benchmark's figures as tables of text, for the terminal and for docs/verdict.md."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from controlplane.serving.analysis import AnalysisPolicy
from controlplane.serving.statistics.judging import evidence_needed
from controlplane.serving.statistics.traffic import traffic_need
from local.bench_verdict.figures import RULES, Rate, Rollbacks, measure
from local.bench_verdict.journeys import Outcomes, travel_all
from local.bench_verdict.simulation import Scenario

SEED = 20261121
BASES = (0.0, 0.001, 0.01, 0.05, 0.2)
REGRESSIONS = (0.01, 0.02, 0.05, 0.2)
MOST_FALSE_ROLLBACKS = 0.01
POLICY = AnalysisPolicy()
MOST_FALSE_PASSES = 1 - POLICY.confidence
LATE = 60  # tick from which a canary is worse
# Twelve thousand requests, of which the canary gets 3,600; and a long look at a tenth of the traffic.
ROLLOUT = Scenario(0.0)
LONG = Scenario(0.0, shares=(0.1,), ticks=500, requests=400)


@dataclass(frozen=True)
class Table:
    """`faults`: which figures are out of their bounds, in words."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    faults: tuple[str, ...] = ()


def equal_quality(runs: int) -> Table:
    """How often each rule rolls back a canary that is as good as the stable revision."""
    rows, faults = [], []
    cases = [(Scenario(base), percent(base)) for base in BASES]
    cases.append((Scenario(0.01, outages=True), "1 %, outages of both"))
    for number, (scenario, name) in enumerate(cases):
        found = measure(scenario, runs, (SEED, 1, number), evidence_needed(POLICY))
        rate = found["Headrace"].rate
        good = rate.interval[0] <= MOST_FALSE_ROLLBACKS
        if not good:
            faults.append(f"false rollbacks at {name} errors: {with_interval(rate)}")
        cells = [with_interval(found[rule].rate) for rule in RULES]
        rows.append((name, *cells, f"≤ {percent(MOST_FALSE_ROLLBACKS)}", verdict(good)))
    return Table(
        f"Rolled back although equally good ({runs:,} rollouts each, in brackets 95 % intervals)",
        ("errors of both", *RULES, "bound on Headrace", ""),
        tuple(rows),
        tuple(faults),
    )


def detection(runs: int) -> Table:
    """How many requests of the canary it takes until a regression is seen."""
    rows = []
    for base in BASES:
        need = traffic_need(POLICY, error_rate=base, canary_share=LONG.shares[0])
        for points, said in zip(REGRESSIONS, need.detections, strict=True):
            scenario = Scenario(
                base, points, shares=LONG.shares, ticks=LONG.ticks, requests=LONG.requests
            )
            seed = (SEED, 2, int(base * 1000), int(points * 100))
            found = measure(scenario, runs, seed, evidence_needed(POLICY))
            ours = found.pop("Headrace")
            planned = "more" if said.canary_80 is None else f"{said.canary_80:,}"
            rows.append(
                (
                    percent(base),
                    f"+{points * 100:.0f} points",
                    percent(ours.rate.share),
                    *(requests(ours, share) for share in (0.5, 0.8, 0.95)),
                    planned,
                    *(requests(other, 0.8) for other in found.values()),
                )
            )
    most = int(LONG.ticks * LONG.requests * LONG.shares[0])
    return Table(
        f"Requests of the canary until it is rolled back, at 10 % of the traffic ({runs:,} rollouts each of "
        f"{most:,} canary requests; the other rules for 80 % of the rollouts)",
        (
            "errors of stable",
            "canary",
            "Headrace: rolled back",
            "50 % of them by",
            "80 % by",
            "95 % by",
            "`plan` says for 80 %",
            *(rule for rule in RULES if rule != "Headrace"),
        ),
        tuple(rows),
    )


def late_regressions(runs: int) -> Table:
    """Canaries that become worse after a time in which they were as good as the stable revision."""
    rows = []
    for base, points in ((0.01, 0.05), (0.01, 0.2), (0.05, 0.05), (0.05, 0.2)):
        cells = []
        for onset in (0, LATE):
            scenario = Scenario(base, points, shares=(0.1,), ticks=300, requests=200, onset=onset)
            seed = (SEED, 3, int(base * 1000), int(points * 100))
            found = measure(scenario, runs, seed, evidence_needed(POLICY), ("Headrace",))
            before = onset * scenario.requests * scenario.shares[0]
            cells.append(requests(found["Headrace"], 0.8, before))
        rows.append((percent(base), f"+{points * 100:.0f} points", *cells))
    good = int(LATE * 200 * 0.1)
    return Table(
        f"Requests of a worse canary until 80 % of {runs:,} rollouts are rolled back",
        ("errors of stable", "canary", "worse from the beginning", f"after {good:,} good requests"),
        tuple(rows),
    )


def whole_rollouts(runs: int) -> Table:
    """Errors and latencies, steps of 10 and 50 %, by the product's own `judge`."""
    narrow = POLICY.model_copy(
        update={"error_rate": POLICY.error_rate.model_copy(update={"max_increase": 0.01})}
        if POLICY.error_rate
        else {}
    )
    busy = Scenario(0.01, 0.011, requests=1000)
    cases: list[tuple[str, AnalysisPolicy, Scenario, float, str]] = [
        ("equally good, 1 % errors", POLICY, Scenario(0.01), 1.0, "good"),
        ("1.4 times as slow, 1.5 allowed", POLICY, Scenario(0.01), 1.4, "good"),
        ("1.5 times as slow, 1.5 allowed", POLICY, Scenario(0.01), 1.5, "good"),
        ("3 times as slow", POLICY, Scenario(0.01), 3.0, "bad"),
        ("5.5 points more errors, 5 allowed, base 1 %", POLICY, Scenario(0.01, 0.055), 1.0, "bad"),
        ("5.5 points more errors, 5 allowed, base 20 %", POLICY, Scenario(0.2, 0.055), 1.0, "bad"),
        ("1.1 points more errors, 1 allowed, base 1 %, 120,000 requests", narrow, busy, 1.0, "bad"),
    ]
    rows, faults = [], []
    for number, (name, policy, scenario, slower, kind) in enumerate(cases):
        found = travel_all(policy, scenario, runs, (SEED, 4, number), slower)
        bound, good = _bound(found, kind)
        if not good:
            faults.append(f"{name}: {with_interval(found.rolled_back)} rolled back, {bound} wanted")
        rates = (found.rolled_back, found.believed, found.promotable)
        rows.append((name, *(with_interval(rate) for rate in rates), bound, verdict(good)))
    return Table(
        f"Whole rollouts, 10 then 50 % of 12,000 requests, errors and latencies judged ({runs:,} rollouts each)",
        ("canary", "rolled back", "a step passed", "all steps passed", "bound", ""),
        tuple(rows),
        tuple(faults),
    )


def _bound(found: Outcomes, kind: str) -> tuple[str, bool]:
    if kind == "good":
        good = found.rolled_back.interval[0] <= MOST_FALSE_ROLLBACKS
        return f"rolled back ≤ {percent(MOST_FALSE_ROLLBACKS)}", good
    good = found.believed.interval[0] <= MOST_FALSE_PASSES
    return f"a step passed ≤ {percent(MOST_FALSE_PASSES)}", good


def markdown(tables: Sequence[Table]) -> str:
    lines: list[str] = []
    for table in tables:
        lines += [f"**{table.title}**", "", _row(table.head), _row(["---"] * len(table.head))]
        lines += [*(_row(row) for row in table.rows), ""]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def requests(rollbacks: Rollbacks, share: float, before: float = 0.0) -> str:
    number = rollbacks.requests_for(share)
    return "not seen" if math.isinf(number) else f"{number - before:,.0f}"


def percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def with_interval(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.share * 100:.2f} % ({low * 100:.2f} to {high * 100:.2f})"


def verdict(good: bool) -> str:
    return "within" if good else "FAILED"
