"""The last bake: all traffic is the canary's, and the stable revision is only known from before."""

import random

import pytest

from controlplane.serving.analysis import (
    AnalysisPolicy,
    CheckResult,
    ErrorRateCheck,
    EventMetric,
    Judgement,
    LatencyCheck,
    Verdict,
)
from tests.unit.serving.statistics.readings import Watched, counts, decisive, guarded

LATENCY = AnalysisPolicy(error_rate=None, latency=LatencyCheck())
METRIC = EventMetric(name="refusals", bad_query="b", total_query="t")


def stepped(policy: AnalysisPolicy | None = None, errors: int = 10) -> Watched:
    """A canary that has passed its steps beside a stable revision with so many errors in a thousand."""
    watched = Watched(policy or AnalysisPolicy(latency=None))
    for _ in range(10):
        watched.tick((900, errors * 9 // 10), (100, errors // 10))
    watched.begin_step()
    return watched


def bake(watched: Watched, requests: int, errors: int) -> Judgement:
    return watched.tick((0, 0), (requests, errors), compared=False)


def only(judgement: Judgement, check: str) -> CheckResult:
    return next(each for each in judgement.checks if each.check == check)


def test_it_is_judged_by_what_the_stable_revision_had_in_the_steps() -> None:
    watched = stepped()
    judgement = bake(watched, 200, 2)
    assert (judgement.verdict, decisive(judgement).code) == (Verdict.PASS, "WithinLimit")
    judgement = bake(watched, 200, 60)
    found = decisive(judgement)
    assert (judgement.verdict, found.code) == (Verdict.FAIL, "ErrorRateHigher")
    assert found.message.startswith(
        "62 of 400 canary requests failed (15.5 %), stable 90 of 9,000 (1.0 %) before, 6."
    )
    assert " allowed: evidence " in found.message


def test_a_share_between_the_bound_and_chance_is_inconclusive() -> None:
    judgement = bake(stepped(), 100, 7)
    assert (judgement.verdict, decisive(judgement).code) == (Verdict.INCONCLUSIVE, "AboveLimit")


def test_what_was_seen_of_the_stable_revision_does_not_change_any_more() -> None:
    watched = stepped()
    first = only(bake(watched, 100, 0), "error_rate")
    watched.tick((900, 900), (100, 0), compared=False)
    last = only(bake(watched, 100, 0), "error_rate")
    assert (first.stable, first.samples_stable) == (last.stable, last.samples_stable)


def test_few_requests_old_data_and_none_never_pass() -> None:
    watched = stepped()
    assert decisive(bake(watched, 49, 0)).code == "TooFewRequests"
    assert bake(watched, 1, 0).verdict is Verdict.PASS
    for changed in ({"observed_at": None}, {"canary": None}):
        judgement = watched.look(compared=False, **changed)
        assert (judgement.verdict, decisive(judgement).code) == (Verdict.INCONCLUSIVE, "NoData")


def test_without_steps_it_is_judged_by_all_that_the_stable_revision_has_answered() -> None:
    watched = Watched(AnalysisPolicy(latency=None), begun=False)
    watched.stable = counts(5000, 50)
    watched.look()
    judgement = bake(watched, 100, 1)
    found = decisive(judgement)
    assert (judgement.verdict, found.samples_stable, found.stable) == (Verdict.PASS, 5000, 0.01)
    assert bake(watched, 100, 40).verdict is Verdict.FAIL


def test_nothing_known_of_the_stable_revision_is_no_pass() -> None:
    watched = Watched(AnalysisPolicy(latency=None))
    for stable in (watched.stable, None):
        watched.canary = counts(watched.canary.requests + 1000)
        judgement = watched.look(compared=False, stable=stable)
        assert (judgement.verdict, decisive(judgement).code) == (
            Verdict.INCONCLUSIVE,
            "NoBaseline",
        )


@pytest.mark.parametrize(("answered", "least"), [(49, 50), (1, 1), (0, 1)])
def test_little_known_of_the_stable_revision_is_no_pass(answered: int, least: int) -> None:
    policy = AnalysisPolicy(latency=None, min_requests=least)
    watched = Watched(policy, begun=False)
    watched.stable = counts(answered)
    watched.look()
    assert decisive(bake(watched, 1000, 0)).code == "NoBaseline"


def test_a_guard_goes_on_beside_it() -> None:
    judgement = bake(stepped(guarded(0.05)), 80, 1)
    assert {each.check: each.code for each in judgement.checks} == {
        "error_rate": "WithinLimit",
        "error_rate.max_share": "WithinLimit",
    }
    assert only(judgement, "error_rate.max_share").message.endswith(": within 5.0 %")
    watched = stepped(guarded(0.05))
    for _ in range(20):
        judgement = bake(watched, 100, 9)
    assert decisive(judgement).verdict is Verdict.FAIL


def test_answers_that_become_slow_fail_in_it_too() -> None:
    watched = stepped(LATENCY)
    fast, slow = counts(200), counts(200, 0, (0, 100, 0, 0, 0, 100, 0, 0))
    assert watched.tick((0, 0), fast, compared=False).verdict is Verdict.PASS
    judgement = watched.tick((0, 0), slow, compared=False)
    assert (judgement.verdict, decisive(judgement).code) == (Verdict.FAIL, "LatencyHigher")


def test_metrics_of_the_users_own_are_judged_in_it_too() -> None:
    watched = Watched(AnalysisPolicy(error_rate=None, latency=None, events=(METRIC,)))
    stable = counts(900).model_copy(update={"events": {"refusals": (9, 900)}})
    canary = counts(100).model_copy(update={"events": {"refusals": (1, 100)}})
    watched.stable = watched.stable.model_copy(update={"events": {"refusals": (0, 0)}})
    watched.canary = watched.canary.model_copy(update={"events": {"refusals": (0, 0)}})
    watched.look()
    for _ in range(5):
        watched.tick(stable, canary)
    watched.begin_step()
    assert watched.tick((0, 0), canary, compared=False, stable=None).verdict is Verdict.PASS
    worse = canary.model_copy(update={"events": {"refusals": (60, 100)}})
    judgement = watched.tick((0, 0), worse, compared=False, stable=None)
    assert (judgement.verdict, decisive(judgement).code) == (Verdict.FAIL, "MetricHigher")


def rollbacks(runs: int, share: float, more: float, policy: AnalysisPolicy) -> int:
    """Of rollouts of 4 ticks at 10 % and a bake of 60 ticks, in which the canary has so many more errors."""
    lots, found = random.Random(20261121), 0
    for _ in range(runs):
        watched = Watched(policy)
        for tick in range(64):
            baking = tick >= 4
            if tick == 4:
                watched.begin_step()
            here = share + more if baking else share
            stable = 0 if baking else 90
            canary = 50 if baking else 10
            judgement = watched.tick(
                (stable, sum(lots.random() < share for _ in range(stable))),
                (canary, sum(lots.random() < here for _ in range(canary))),
                compared=not baking,
            )
            if judgement.verdict is Verdict.FAIL:
                found += 1
                break
    return found


@pytest.mark.parametrize("increase", [0.05, 0.0001])
def test_canaries_as_good_as_before_are_hardly_ever_rolled_back(increase: float) -> None:
    """Even without any margin: the stable revision's share is taken at its upper bound."""
    policy = AnalysisPolicy(error_rate=ErrorRateCheck(max_increase=increase), latency=None)
    assert rollbacks(100, 0.05, 0.0, policy) <= 3


def test_canaries_that_break_with_all_traffic_are_rolled_back() -> None:
    assert rollbacks(30, 0.01, 0.15, AnalysisPolicy(latency=None)) == 30
