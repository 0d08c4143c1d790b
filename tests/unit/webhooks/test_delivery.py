"""How long a message is tried, what ends it, and what a target's failures cost."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controlplane.errors import UnavailableError
from controlplane.webhooks.delivery import retry_after
from controlplane.webhooks.health import DISABLED_AFTER, DISABLED_FROM, LONGEST_PAUSE
from controlplane.webhooks.model import TRIED_FOR, DeliveryState, WebhookDisabled
from tests.fakes import Clock
from tests.unit.webhooks.world import World


@pytest.fixture
def world(clock: Clock) -> World:
    made = World(clock)
    made.add()
    return made


def test_message_that_is_taken_is_sent_once(world: World) -> None:
    assert world.announce() == 1
    world.run()

    [delivery] = world.deliveries
    assert delivery.state is DeliveryState.DELIVERED
    assert len(world.messenger.posted) == 1


def test_message_is_tried_for_a_day_and_then_exhausted(world: World) -> None:
    world.messenger.outcome = lambda: "timed_out"
    world.announce()
    begin = world.clock.now()
    world.run()

    [delivery] = world.deliveries
    assert delivery.state is DeliveryState.EXHAUSTED
    assert delivery.reason is not None
    assert delivery.reason.code == "TimeIsOver"
    assert 20 <= delivery.made <= 40
    assert len(delivery.attempts) == delivery.made == len(world.messenger.posted)
    last = delivery.attempts[-1].at - begin
    assert TRIED_FOR - timedelta(hours=2) <= last <= TRIED_FOR
    assert {posted[1]["webhook-id"] for posted in world.messenger.posted} == {delivery.delivery_id}


def test_pauses_grow_to_an_hour_and_are_spread() -> None:
    means = [10, 40, 160, 640, 2560, 3600, 3600]
    for made, mean in enumerate(means, start=1):
        seen = {retry_after(made).total_seconds() for _ in range(50)}
        assert len(seen) > 10
        assert min(seen) >= mean * 0.8
        assert max(seen) <= mean * 1.2


def test_dead_target_costs_one_attempt_a_pause_however_much_waits(world: World) -> None:
    world.messenger.outcome = lambda: "connection_failed"
    for _ in range(60):
        world.announce()
    until = world.clock.now() + timedelta(hours=6)
    while world.clock.now() < until:
        world.step()

    assert len(world.messenger.posted) <= 12 + timedelta(hours=6) / (LONGEST_PAUSE / 2)


def test_messages_that_were_never_tried_end_too(world: World) -> None:
    """Those that never had their turn at a dead target are told of, not lost."""
    world.messenger.outcome = lambda: "connection_failed"
    for _ in range(300):
        world.announce()
    world.run(most=200_000)

    assert {delivery.state for delivery in world.deliveries} == {DeliveryState.EXHAUSTED}


def test_target_that_recovers_gets_all_that_waits(world: World) -> None:
    outcomes = iter(["timed_out"] * 5)
    world.messenger.outcome = lambda: next(outcomes, 204)
    for _ in range(20):
        world.announce()
    world.run()

    assert {delivery.state for delivery in world.deliveries} == {DeliveryState.DELIVERED}
    assert world.log.health["acme", "pager"].failures == 0


def test_target_that_fails_for_days_is_disabled_and_tells_so(world: World) -> None:
    world.messenger.outcome = lambda: 500
    world.announce()
    world.run()
    assert world.webhook.enabled  # one day

    world.clock.advance(DISABLED_AFTER.total_seconds())
    world.announce()
    world.announce()
    world.run()

    assert not world.webhook.enabled
    assert world.webhook.reason is not None
    assert world.webhook.reason.code == "TargetFailing"
    told = [e for e in world.webhooks.events if isinstance(e, WebhookDisabled)]
    assert [event.reason for event in told] == ["TargetFailing"]
    ended = sorted(delivery.state.value for delivery in world.deliveries)
    assert ended == ["Cancelled", "Cancelled", "Exhausted"]
    assert world.announce() == 0


@pytest.mark.parametrize("change", [{"enabled": True}, {"url": "https://new.example.com/x"}])
def test_failures_from_before_its_owner_mended_it_disable_no_webhook(
    world: World, change: dict[str, object]
) -> None:
    """One that was enabled again, or given another URL while it failed, has its three days anew."""
    world.messenger.outcome = lambda: 500
    world.announce()
    world.run()
    world.clock.advance(DISABLED_AFTER.total_seconds())
    if "enabled" in change:
        world.announce()
        world.run()
        assert not world.webhook.enabled
    assert world.log.health["acme", "pager"].failures >= DISABLED_FROM

    world.change(**change)
    world.announce()
    world.run()

    assert world.webhook.enabled
    assert world.webhook.reason is None
    assert world.deliveries[-1].made >= 20  # it was left no longer alone than any other

    world.clock.advance(DISABLED_AFTER.total_seconds())
    world.announce()
    world.run()
    assert not world.webhook.enabled


def test_pause_of_a_failing_target_ends_when_its_webhook_is_enabled(world: World) -> None:
    world.messenger.outcome = lambda: 500
    for _ in range(12):
        world.announce()
        world.step()
    paused = world.log.health["acme", "pager"].paused_until
    assert paused is not None
    assert paused > world.clock.now()
    world.queue.waiting.clear()

    world.clock.advance(1)
    world.change(enabled=True)
    world.messenger.outcome = lambda: 204
    world.announce()
    world.step()

    assert world.deliveries[-1].state is DeliveryState.DELIVERED
    assert world.log.health["acme", "pager"].failures == 0


def test_attempt_that_began_before_its_webhook_was_enabled_disables_nothing(world: World) -> None:
    """It ends with a failure on top of all that are forgotten."""
    world.messenger.outcome = lambda: 500
    world.announce()
    world.run()
    world.clock.advance(DISABLED_AFTER.total_seconds())

    def enabled_meanwhile() -> int:
        world.clock.advance(1)
        world.change(enabled=True)
        return 500

    world.messenger.outcome = enabled_meanwhile
    world.announce()
    world.step()
    assert world.webhook.enabled

    world.messenger.outcome = lambda: 500
    world.announce()
    world.step()
    assert world.webhook.enabled
    assert world.log.health["acme", "pager"].failures == 1


def test_few_failures_over_days_disable_nothing(world: World) -> None:
    outcomes = iter([500, 500, 204])
    world.messenger.outcome = lambda: next(outcomes, 500)
    world.announce()
    world.run()
    world.clock.advance(2 * DISABLED_AFTER.total_seconds())
    world.announce()
    world.step()

    assert world.webhook.enabled


def test_gone_ends_the_delivery_and_the_webhook_at_once(world: World) -> None:
    world.messenger.outcome = lambda: 410
    world.announce()
    world.run()

    assert world.deliveries[0].state is DeliveryState.EXHAUSTED
    assert len(world.messenger.posted) == 1
    assert not world.webhook.enabled


def test_dead_webhook_does_not_hold_up_another(world: World) -> None:
    world.add("other")
    world.messenger.outcome = lambda: "timed_out"
    for _ in range(10):
        world.announce()
    for _ in range(200):
        world.step()
    world.messenger.outcome = lambda: 204
    before = len(world.messenger.posted)
    notices = [n for _, n in world.queue.waiting if n.webhook == "other"]
    world.log.health.pop(("acme", "other"))
    world.postman.deliver(replace(notices[0], due=None))

    assert len(world.messenger.posted) == before + 1


def test_health_of_an_earlier_webhook_of_the_name_is_forgotten(world: World) -> None:
    world.messenger.outcome = lambda: 500
    for _ in range(4):
        world.announce()
    for _ in range(4):
        world.step()
    assert world.log.health["acme", "pager"].paused_until is not None
    world.queue.waiting.clear()
    del world.webhooks.stored["acme", "pager"]
    world.add()
    world.messenger.outcome = lambda: 204
    world.announce()
    world.step()

    assert world.deliveries[-1].state is DeliveryState.DELIVERED
    assert world.log.health["acme", "pager"].failures == 0


def test_crash_after_the_post_sends_the_same_message_again(world: World) -> None:
    crashes = iter([True])

    def fail(write: str) -> None:
        if write == "record" and next(crashes, False):
            raise UnavailableError("the table did not answer")

    world.log.fail = fail
    world.announce()
    world.run()

    first, second = world.messenger.posted
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert first[2] == second[2]
    assert world.deliveries[0].state is DeliveryState.DELIVERED


def test_crash_before_the_next_notice_is_sent_loses_nothing(world: World) -> None:
    outcomes = iter([500])
    world.messenger.outcome = lambda: next(outcomes, 204)
    crashes = iter([True])

    def fail(_: str) -> None:
        if len(world.messenger.posted) > 0 and next(crashes, False):
            raise UnavailableError("the queue did not answer")

    world.queue.fail = fail
    world.announce()
    world.run()

    assert world.deliveries[0].state is DeliveryState.DELIVERED
    assert len(world.messenger.posted) == 2


def test_repeat_of_an_event_makes_no_second_delivery(world: World) -> None:
    world.announce()
    world.fan_out(world.events)
    world.run()

    assert len(world.deliveries) == len(world.messenger.posted) == 1
