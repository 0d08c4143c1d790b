"""When an attempt on a target may begin."""

from datetime import UTC, datetime, timedelta

from controlplane.webhooks.health import (
    ATTEMPTS_A_MINUTE,
    DISABLED_AFTER,
    DISABLED_FROM,
    PROBE_TIME,
    TOLERATED,
    TargetHealth,
)

MOMENT = datetime(2026, 5, 1, 12, 0, 5, tzinfo=UTC)
NEW = TargetHealth(webhook_id="wh-1")


def failed(times: int) -> TargetHealth:
    health = NEW
    for _ in range(times):
        health = health.failed(MOMENT)
    return health


def test_failing_target_is_tried_by_one_at_a_time() -> None:
    failing = failed(TOLERATED)
    assert failing.paused_until is not None
    trying = failing.began(failing.paused_until)

    assert trying.busy_until(failing.paused_until) == failing.paused_until + PROBE_TIME
    assert trying.succeeded().busy_until(failing.paused_until) is None


def test_few_failures_keep_nobody_waiting() -> None:
    assert failed(TOLERATED - 1).began(MOMENT).busy_until(MOMENT) is None


def test_test_does_not_wait_for_a_pause() -> None:
    assert failed(TOLERATED).busy_until(MOMENT) is not None
    assert failed(TOLERATED).busy_until(MOMENT, even_paused=True) is None


def test_rate_holds_for_each_minute() -> None:
    health = NEW
    for _ in range(ATTEMPTS_A_MINUTE):
        assert health.busy_until(MOMENT) is None
        health = health.began(MOMENT)

    assert health.busy_until(MOMENT) == MOMENT.replace(minute=1, second=0)
    assert health.busy_until(MOMENT, even_paused=True) is not None
    assert health.busy_until(MOMENT + timedelta(minutes=1)) is None


def test_what_is_forgotten_leaves_the_rate_alone() -> None:
    tried = failed(TOLERATED).began(MOMENT)
    anew = tried.anew("wh-2")

    assert (anew.webhook_id, anew.failures, anew.failing_since) == ("wh-2", 0, None)
    assert anew.busy_until(MOMENT) is None
    assert (anew.minute, anew.attempts, anew.version) == (tried.minute, 1, tried.version)


def test_hopeless_is_who_failed_often_and_for_long() -> None:
    late = MOMENT + DISABLED_AFTER
    assert failed(DISABLED_FROM).is_hopeless(late)
    assert not failed(DISABLED_FROM - 1).is_hopeless(late)
    assert not failed(DISABLED_FROM).is_hopeless(late - timedelta(seconds=1))
    assert not failed(DISABLED_FROM).succeeded().is_hopeless(late)
