"""Metrics of the user's own that count: each for itself, and never twice."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.serving.analysis import (
    AnalysisPolicy,
    EventMetric,
    Judgement,
    RevisionCounts,
    Verdict,
)
from tests.unit.serving.statistics.readings import TICK, Watched, counts, decisive

METRIC = EventMetric(name="refusals", bad_query="b", total_query="t")
ALONE = AnalysisPolicy(error_rate=None, latency=None, events=(METRIC,))
GUARDED = AnalysisPolicy(
    error_rate=None, latency=None, events=(METRIC.model_copy(update={"max_share": 0.5}),)
)
Pair = tuple[int | None, int]


class Told:
    """A rollout at every tick of which the canary answers 50 requests more, and the stable revision 450."""

    def __init__(self, policy: AnalysisPolicy = ALONE) -> None:
        self.watched = Watched(policy, begun=False)
        self.ticks = 0

    def look(
        self, stable: Pair | None, canary: Pair | None, errors: int = 0, *, compared: bool = True
    ) -> Judgement:
        """What the metric has come to; None where its query fails. `errors` are the canary's in each tick."""
        self.ticks += 1
        self.watched.moment += TICK
        return self.watched.look(
            compared=compared,
            stable=_with(counts(450 * self.ticks), stable),
            canary=_with(counts(50 * self.ticks, errors * self.ticks), canary),
        )

    def code(self, stable: Pair | None, canary: Pair | None) -> str:
        return decisive(self.look(stable, canary)).code


def _with(answered: RevisionCounts, pair: Pair | None) -> RevisionCounts:
    return answered.model_copy(update={"events": {} if pair is None else {"refusals": pair}})


def test_they_are_compared_as_errors_are() -> None:
    told = Told()
    told.look((0, 0), (0, 0))
    judgement = told.look((3, 450), (20, 50))
    assert judgement.verdict is Verdict.FAIL
    assert (decisive(judgement).check, decisive(judgement).code) == (
        "events.refusals",
        "MetricHigher",
    )


def test_the_first_pair_is_what_later_ones_are_compared_with() -> None:
    """What a version counted in an earlier rollout is not this one's."""
    told = Told()
    told.look(None, None)
    assert told.code((3, 4500), (400, 500)) == "FirstReading"
    judgement = told.look((4, 9900), (400, 1100))
    assert (judgement.verdict, decisive(judgement).samples_canary) == (Verdict.PASS, 600)


def test_a_query_that_fails_for_a_tick_counts_nothing_twice() -> None:
    told = Told()
    told.look((0, 0), (0, 0))
    seen = told.look((50, 1000), (12, 100))
    assert decisive(seen).samples_canary == 100
    for _ in range(6):
        assert told.code(None, None) == "NoData"
        found = decisive(told.look((50, 1000), (12, 100)))
        assert (found.samples_stable, found.samples_canary) == (1000, 100)
    assert decisive(told.look((60, 1200), (13, 120))).samples_canary == 120


def test_both_revisions_wait_for_the_canarys_figures() -> None:
    """Bad times that hit both are in the same window of both."""
    told = Told()
    told.look((0, 0), (0, 0))
    told.look((450, 900), None)
    found = decisive(told.look((450, 1800), (50, 200)))
    assert (found.samples_stable, found.samples_canary) == (1800, 200)
    assert found.verdict is not Verdict.FAIL


def test_without_the_stable_revisions_figures_only_the_guard_goes_on() -> None:
    told = Told(GUARDED)
    told.look((0, 0), (0, 0))
    judgement = told.look(None, (5, 50))
    assert {check.check: (check.code, check.samples_canary) for check in judgement.checks} == {
        "events.refusals": ("NoBaseline", 0),
        "events.refusals.max_share": ("WithinLimit", 50),
    }
    # Its next figures span more than the canary's: they begin anew.
    assert told.code((90, 900), (10, 100)) == "NoBaseline"
    found = told.look((100, 1000), (11, 110)).checks[0]
    assert (found.samples_stable, found.samples_canary) == (100, 10)
    assert told.look(None, (111, 210)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("stable", "canary"), [((9, 900), (6, 100)), ((10, 899), (6, 100)), ((12, 1200), (4, 100))]
)
def test_figures_that_shrink_are_a_reset_of_that_metric_alone(stable: Pair, canary: Pair) -> None:
    policy = AnalysisPolicy(latency=None, events=(METRIC,))
    told = Told(policy)
    told.look((0, 0), (0, 0))
    told.look((10, 900), (5, 100))
    for _ in range(3):
        judgement = told.look((10, 900), (5, 100))
    judgement = told.look(stable, canary)
    assert {check.check: check.code for check in judgement.checks} == {
        "error_rate": "NotWorse",
        "events.refusals": "CounterReset",
    }


@pytest.mark.parametrize(
    "pair", [(51, 50), (-1, 50), (1.5, 50), (float("nan"), 50), (None, -1), (1, None)]
)
def test_impossible_figures_are_none(pair: Pair) -> None:
    told = Told()
    told.look((0, 0), (0, 0))
    assert told.code((3, 450), pair) == "NoData"


def test_a_series_of_bad_ones_that_is_missing_means_none_only_where_there_were_none() -> None:
    told = Told()
    told.look((None, 0), (None, 0))
    assert decisive(told.look((None, 900), (None, 100))).samples_canary == 100
    told.look((9, 1800), (1, 200))
    assert told.code((18, 2700), (None, 300)) == "NoData"
    found = decisive(told.look((27, 3600), (4, 400)))
    assert (found.canary, found.samples_canary) == (0.01, 400)


def test_bad_ones_that_were_missed_for_long_are_not_those_of_one_tick() -> None:
    told = Told()
    told.look((0, 0), (0, 0))
    told.look((50, 900), (5, 100))
    for tick in (2, 3):
        assert told.code((None, 900 * tick), (5 * tick, 100 * tick)) == "NoBaseline"
    assert told.code((200, 3600), (20, 400)) == "NoBaseline"
    found = decisive(told.look((250, 4500), (25, 500)))
    assert (found.stable, found.samples_stable) == (100 / 1800, 1800)


FAULTS = st.sampled_from([None, (None, 7), (9, 7), (0, 0), (3, 7), (500, 900), (-1, 7)])


@given(st.lists(st.tuples(FAULTS, FAULTS, st.integers(0, 50)), max_size=12))
def test_whatever_it_says_the_other_checks_say_the_same(
    ticks: list[tuple[Pair | None, Pair | None, int]],
) -> None:
    policy = AnalysisPolicy(latency=None, events=(METRIC,))
    told, silent = Told(policy), Told(policy)
    for stable, canary, errors in ticks:
        loud, quiet = told.look(stable, canary, errors), silent.look(None, None, errors)
        assert loud.checks[0] == quiet.checks[0]


def test_a_reset_of_the_gateways_counts_leaves_them_alone() -> None:
    told = Told()
    told.look((0, 0), (0, 0))
    told.look((9, 900), (1, 100))
    told.ticks = 0
    assert told.code((18, 1800), (2, 200)) == "CounterReset"
    assert decisive(told.look((27, 2700), (3, 300))).samples_canary == 300


def increase(rise: int, seconds: float) -> int:
    """PromQL's of a counter that rose once, in its first scrape: it guesses what lies before and after its samples."""
    first, scrape = 3.0, 15.0
    last = first + (seconds - first) // scrape * scrape
    return round(rise * seconds / (last - first))


def test_a_metric_that_shrinks_at_every_tick_hides_no_errors() -> None:
    """A query of the tenant's own, `increase(x[{since}])`: it goes down between two scrapes."""
    told = Told(AnalysisPolicy(latency=None, events=(METRIC,)))
    verdicts = []
    for tick in range(1, 41):
        seconds = 15.0 * tick + 20
        pair = increase(400, seconds), increase(100_000, seconds)
        verdicts.append(told.look(pair, pair, errors=50).verdict)
    assert verdicts[1:] == [Verdict.FAIL] * 39


def rollbacks(runs: int, share: float, missed: float, *, only_bad: bool) -> int:
    """How many of `runs` rollouts of 60 ticks are rolled back although both revisions are equally good.

    In a part `missed` of the ticks the metric's queries fail, or `only_bad`: one of the series is not found.
    """
    lots = random.Random(20261121)
    found = 0
    for _ in range(runs):
        told, sums = Told(), {"stable": [0, 0], "canary": [0, 0]}
        for _ in range(60):
            for revision, events in (("stable", 180), ("canary", 20)):
                bad = sum(lots.random() < share for _ in range(events))
                sums[revision][0] += bad
                sums[revision][1] += events
            stable = _missed(lots, sums["stable"], missed, only_bad)
            canary = _missed(lots, sums["canary"], missed, only_bad)
            if told.look(stable, canary).verdict is Verdict.FAIL:
                found += 1
                break
    return found


def _missed(lots: random.Random, pair: list[int], chance: float, only_bad: bool) -> Pair | None:
    bad, total = pair
    if lots.random() >= chance:
        return (bad, total) if bad else (None, total)
    return (None, total) if only_bad else None


@pytest.mark.parametrize(
    ("share", "missed", "only_bad"), [(0.02, 0.2, False), (0.005, 0.02, True), (0.1, 0.02, True)]
)
def test_queries_that_fail_now_and_then_roll_no_good_canary_back(
    share: float, missed: float, only_bad: bool
) -> None:
    """1 % is promised; more than 5 of 200 would be a chance of 1 in 60. Counted from zero again it is 6 % and more."""
    assert rollbacks(200, share, missed, only_bad=only_bad) <= 5
