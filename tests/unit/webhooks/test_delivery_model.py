"""Whatever the queue, the table and the targets do: nothing is lost, nothing goes on for ever.

Messages come twice, functions die at any of their writes, targets answer as they like, and the webhook's owner mends it
now and then, which forgets how its target did. At the end every delivery has ended, one that was delivered was not
tried again after that was written down, and attempts stay within their day.
"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.errors import UnavailableError
from controlplane.webhooks.model import OPEN, TRIED_FOR, DeliveryState
from tests.fakes import clock_stopped
from tests.unit.webhooks.world import VISIBILITY, World


def doubled_one(world: World, chance: random.Random, left: int) -> bool:
    """Whether a message that waits is handed out once more."""
    if not (left and world.queue.waiting and chance.random() < 0.3):
        return False
    world.queue.add(*chance.choice(world.queue.waiting))
    return True


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    crash=st.floats(0, 0.3),
    doubles=st.integers(0, 30),
    good=st.floats(0, 1),
    events=st.integers(1, 6),
    mended=st.integers(0, 5),
)
def test_every_delivery_ends_and_none_is_lost(
    seed: int, crash: float, doubles: int, good: float, events: int, mended: int
) -> None:
    chance = random.Random(seed)
    with clock_stopped() as clock:
        world = World(clock)
        world.add()
        told = 0
        while told < events:
            told += world.announce()
            clock.advance(1)

        def fail(_: str) -> None:
            if chance.random() < crash:
                raise UnavailableError("it died here")

        world.log.fail = world.queue.fail = fail

        def outcome() -> int | str:
            bad: list[int | str] = [500, "timed_out", "dns_failed"]
            return 204 if chance.random() < good else chance.choice(bad)

        world.messenger.outcome = outcome
        begin = clock.now()
        for _ in range(5_000):
            doubles -= doubled_one(world, chance, doubles)
            if mended and chance.random() < 0.1:
                mended -= 1
                world.change(enabled=True)
            if world.step() is None:
                break
        else:
            raise AssertionError("messages go round and round")

        assert len(world.deliveries) == events
        for delivery in world.deliveries:
            assert delivery.state not in OPEN
            assert delivery.state is not DeliveryState.CANCELLED
            succeeded = [attempt.succeeded for attempt in delivery.attempts]
            assert succeeded.count(True) == (delivery.state is DeliveryState.DELIVERED)
            assert not any(succeeded[:-1])
            for attempt in delivery.attempts:
                assert attempt.at - begin <= TRIED_FOR + 20 * VISIBILITY
