"""The verdict of a tick, case by case."""

import math
from datetime import timedelta
from typing import Any

import pytest

from controlplane.serving.analysis import (
    AnalysisPolicy,
    ErrorRateCheck,
    EventMetric,
    Judgement,
    LatencyCheck,
    Reading,
    RevisionCounts,
    ValueMetric,
    Verdict,
)
from controlplane.serving.statistics.judging import Evidence, evidence_needed, judge
from tests.unit.serving.statistics.readings import (
    ERRORS_ONLY,
    NOON,
    Watched,
    counts,
    decisive,
    guarded,
)

NOTHING = AnalysisPolicy(error_rate=None, latency=None)


def outcome(judgement: Judgement) -> tuple[Verdict, str]:
    return judgement.verdict, decisive(judgement).code


def inconclusive(judgement: Judgement, code: str) -> bool:
    return outcome(judgement) == (Verdict.INCONCLUSIVE, code) and not any(
        check.verdict is Verdict.PASS for check in judgement.checks
    )


def proven(policy: AnalysisPolicy = ERRORS_ONLY) -> Watched:
    """A canary that has just passed."""
    watched = Watched(policy)
    for _ in range(3):
        judgement = watched.tick((900, 0), (100, 0))
    assert judgement.verdict is Verdict.PASS
    return watched


def test_a_canary_as_good_as_the_stable_revision_passes() -> None:
    judgement = proven().look()
    result = decisive(judgement)
    assert outcome(judgement) == (Verdict.PASS, "NotWorse")
    assert (result.samples_canary, result.samples_stable) == (300, 2700)
    assert result.evidence is not None
    assert result.evidence <= 1


def test_a_worse_canary_fails_and_the_figures_are_told() -> None:
    watched = Watched(AnalysisPolicy())
    watched.tick((1080, 4), (120, 6))
    judgement = watched.tick((1080, 5), (120, 6))
    result = decisive(judgement)
    assert outcome(judgement) == (Verdict.FAIL, "ErrorRateHigher")
    assert result.check == "error_rate"
    assert result.message.startswith(
        "12 of 240 canary requests failed (5.0 %), stable 9 of 2,160 (0.4 %): evidence "
    )
    assert result.message.endswith(" of 200 needed")
    assert result.needed == 200
    assert result.evidence is not None
    assert result.evidence > 200


def test_a_canary_within_the_margin_needs_traffic_to_be_believed() -> None:
    watched = Watched()
    assert outcome(watched.tick((450, 0), (60, 0))) == (Verdict.INCONCLUSIVE, "NotYetSure")
    assert watched.tick((450, 0), (100, 0)).verdict is Verdict.PASS


def test_the_first_reading_is_a_baseline_whatever_it_says() -> None:
    watched = Watched(begun=False)
    watched.stable, watched.canary = counts(1000, 0), counts(1000, 1000)
    assert inconclusive(watched.look(), "FirstReading")
    assert watched.tick((900, 0), (100, 0)).verdict is not Verdict.FAIL


def test_few_requests_in_this_step_never_pass() -> None:
    watched = proven()
    watched.begin_step()
    assert inconclusive(watched.look(), "TooFewRequests")
    assert inconclusive(watched.tick((49, 0), (49, 0)), "TooFewRequests")
    assert watched.tick((1, 0), (1, 0)).verdict is Verdict.PASS


def test_no_data_is_never_a_pass() -> None:
    watched = proven()
    assert inconclusive(watched.look(observed_at=None), "NoData")
    assert inconclusive(watched.look(stable=None, canary=None), "NoData")
    assert inconclusive(watched.look(canary=None), "NoData")
    assert inconclusive(watched.look(stable=None), "NoBaseline")
    assert watched.look().verdict is Verdict.PASS


def test_stale_data_is_never_a_pass_and_loses_nothing() -> None:
    watched = proven()
    policy_age = timedelta(seconds=ERRORS_ONLY.max_age_seconds)
    old, ahead = watched.moment - policy_age * 1.1, watched.moment + policy_age * 1.1
    assert inconclusive(watched.look(observed_at=old), "StaleData")
    assert inconclusive(watched.look(observed_at=ahead), "StaleData")
    earlier = watched.moment - timedelta(seconds=1)
    assert inconclusive(watched.look(observed_at=earlier), "StaleData")
    stale = watched.tick((90, 0), (10, 10), observed_at=old)
    assert inconclusive(stale, "StaleData")
    assert watched.look().verdict is Verdict.FAIL


def test_a_moment_without_a_zone_is_utc() -> None:
    watched = proven()
    naive = watched.moment.replace(tzinfo=None)
    assert watched.look(observed_at=naive).verdict is Verdict.PASS


def test_a_canary_that_nobody_asks_is_dark() -> None:
    watched = Watched()
    assert inconclusive(watched.tick((30, 0)), "TooFewRequests")
    assert inconclusive(watched.tick((30, 0)), "DarkCanary")
    watched.tick((540, 0), (60, 0))
    assert watched.tick((900, 0), (100, 0)).verdict is Verdict.PASS


def test_a_canary_that_goes_dark_after_it_was_asked_does_not_pass() -> None:
    """It hangs: its requests end nowhere and are counted nowhere."""
    watched = proven()
    assert watched.tick((150, 0)).verdict is Verdict.PASS
    assert inconclusive(watched.tick((150, 0)), "DarkCanary")
    assert watched.tick((9, 0), (1, 0)).verdict is Verdict.PASS


def test_counters_that_begin_anew_are_a_new_baseline() -> None:
    watched = proven()
    watched.stable, watched.canary = counts(50, 0), counts(400, 400)
    assert inconclusive(watched.look(), "CounterReset")
    assert watched.look().verdict is Verdict.PASS


def test_another_generation_is_a_new_baseline_even_if_every_count_is_higher() -> None:
    watched = proven()
    watched.stable, watched.canary = counts(5000, 0), counts(400, 90)
    assert inconclusive(watched.look(generation="after a restart"), "CounterReset")
    assert watched.look(generation="after a restart").verdict is Verdict.PASS


@pytest.mark.parametrize("name", ["requests", "errors", "latency_counts"])
def test_any_count_that_goes_down_is_a_reset(name: str) -> None:
    watched = Watched(AnalysisPolicy())
    watched.tick(counts(200, 10, (0, 0, 200, 0, 0, 0, 0, 0)), (200, 10))
    less = (
        (0, 1, 198, 0, 0, 0, 0, 0) if name == "latency_counts" else 9 if name == "errors" else 199
    )
    watched.stable = added_to(watched.stable, {name: less})
    assert inconclusive(watched.look(), "CounterReset")


def added_to(before: RevisionCounts, changed: dict[str, Any]) -> RevisionCounts:
    everything = {"requests": 300, "errors": 12}
    return before.model_copy(update=everything | changed)


def test_impossible_counts_are_not_numbers() -> None:
    watched = proven()
    bad: list[dict[str, Any]] = [
        {"requests": math.nan},
        {"requests": math.inf},
        {"errors": -1},
        {"errors": 10**400, "requests": 10**400},
        {"errors": 5, "requests": 4},
    ]
    for changed in bad:
        for revision in ("stable", "canary"):
            given = {revision: counts().model_copy(update=changed)}
            assert inconclusive(watched.look(compared=True, **given), "NotANumber")
    assert watched.look().verdict is Verdict.PASS


def test_more_errors_than_requests_in_a_tick_are_not_numbers() -> None:
    watched = Watched()
    watched.tick((900, 0), (200, 0))
    assert inconclusive(watched.tick((9, 0), (1, 5)), "NotANumber")


def test_a_fail_stays_whatever_comes_later() -> None:
    watched = Watched()
    assert watched.tick((900, 0), (100, 30)).verdict is Verdict.FAIL
    assert watched.look(observed_at=None).verdict is Verdict.FAIL
    assert watched.look(stable=None).verdict is Verdict.FAIL
    watched.begin_step()
    for _ in range(20):
        judgement = watched.tick((900, 100), (900, 0))
    assert judgement.verdict is Verdict.FAIL


def test_a_step_that_is_worse_than_the_margin_does_not_pass_by_earlier_ones() -> None:
    watched = Watched(AnalysisPolicy(latency=None, false_alarm=1e-9))
    for _ in range(20):
        watched.tick((900, 0), (300, 0))
    watched.begin_step()
    assert inconclusive(watched.tick((60, 0), (60, 4)), "WorseInThisStep")


def test_a_shared_outage_hits_both_and_fails_nobody() -> None:
    watched = Watched()
    for _ in range(10):
        watched.tick((900, 9), (100, 1))
        judgement = watched.tick((900, 450), (100, 50))
    assert judgement.verdict is not Verdict.FAIL


def test_the_traffic_share_may_change_between_and_within_steps() -> None:
    """Simpson's trap: bad times with more traffic on the canary, equally bad for both."""
    watched = Watched()
    for _ in range(10):
        watched.tick((950, 9), (50, 0))
    for _ in range(10):
        judgement = watched.tick((500, 100), (500, 100))
    assert judgement.verdict is not Verdict.FAIL


def test_a_guard_of_the_error_rate_needs_no_stable_revision() -> None:
    watched = Watched(guarded(0.02))
    watched.canary = counts(100, 20)
    judgement = watched.look(stable=None)
    assert outcome(judgement) == (Verdict.FAIL, "ErrorRateTooHigh")
    assert decisive(judgement).check == "error_rate.max_share"
    assert "20 of 100 canary requests failed (20.0 %): evidence" in decisive(judgement).message


def test_a_guard_that_is_not_kept_holds_a_pass_back() -> None:
    watched = Watched(guarded(0.028))
    judgement = watched.tick((9000, 270), (4000, 120))
    assert outcome(judgement) == (Verdict.INCONCLUSIVE, "AboveLimit")
    judgement = watched.tick((900, 0), (400, 0))
    assert judgement.verdict is Verdict.PASS
    codes = [check.code for check in judgement.checks]
    assert codes == ["NotWorse", "WithinLimit"]


def test_a_policy_without_checks_still_wants_traffic_and_data() -> None:
    for compared in (True, False):
        watched = Watched(NOTHING)
        few = watched.tick((9, 0), (1, 0), compared=compared)
        assert inconclusive(few, "TooFewRequests")
        judgement = watched.tick((450, 0), (50, 50), compared=compared)
        assert outcome(judgement) == (Verdict.PASS, "NothingToCompare")
        assert inconclusive(watched.look(observed_at=None, compared=compared), "NoData")


def test_a_worse_check_fails_beside_one_that_passes() -> None:
    metric = ValueMetric(name="drift", query="q", max=1, ticks_in_a_row=1)
    watched = Watched(AnalysisPolicy(latency=None, values=(metric,)))
    for _ in range(3):
        good = watched.tick((900, 0), (100, 0), values={"drift": (0.5, None)})
    assert good.verdict is Verdict.PASS
    judgement = watched.tick((900, 0), (100, 0), values={"drift": (2.0, None)})
    assert {check.check: check.verdict for check in judgement.checks} == {
        "error_rate": Verdict.PASS,
        "values.drift": Verdict.FAIL,
    }
    assert judgement.verdict is Verdict.FAIL


def test_the_false_alarms_are_shared_out_among_the_checks() -> None:
    assert evidence_needed(ERRORS_ONLY) == 100
    assert evidence_needed(AnalysisPolicy()) == 200
    assert evidence_needed(AnalysisPolicy(error_rate=ErrorRateCheck(max_share=0.1))) == 300
    assert evidence_needed(NOTHING) == 100


def test_the_evidence_is_small_after_thousands_of_ticks() -> None:
    events = tuple(
        EventMetric(name="e" * 39 + str(n), bad_query="b", total_query="t", max_share=0.5)
        for n in range(5)
    )
    values = tuple(ValueMetric(name="v" * 39 + str(n), query="q", max=1) for n in range(5))
    policy = AnalysisPolicy(
        error_rate=ErrorRateCheck(max_share=0.5),
        latency=LatencyCheck(max_milliseconds=100),
        events=events,
        values=values,
    )
    evidence, bounds = Evidence(), tuple(1.07**place for place in range(200))
    for tick in range(1, 60):
        both = RevisionCounts(
            requests=98_765 * tick,
            errors=9_876 * tick,
            latency_bounds=bounds,
            latency_counts=tuple(432 * tick for _ in range(201)),
            events={event.name: (1_234 * tick, 98_765 * tick) for event in events},
        )
        reading = Reading(
            observed_at=NOON + timedelta(seconds=tick),
            stable=both,
            canary=both,
            values={value.name: (0.5, 0.5) for value in values},
        )
        evidence, judgement = judge(policy, evidence, reading, moment=NOON)
    assert len(judgement.checks) == 19
    assert len(evidence.model_dump_json()) < 8192
