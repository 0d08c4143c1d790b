"""Keys are handed out once each, when they are due, and not after the queue is closed."""

import threading
import time

from local.kserve_controller.specification import Key
from local.kserve_controller.work_queue import WorkQueue

A, B = Key("ns", "a"), Key("ns", "b")


def test_a_key_that_is_added_twice_is_taken_once() -> None:
    queue = WorkQueue()
    queue.add_all([A, A, B])

    assert {queue.take(), queue.take()} == {A, B}

    queue.close()
    assert queue.take() is None


def test_a_key_waits_for_its_time_and_the_earliest_time_counts() -> None:
    queue = WorkQueue()
    start = time.monotonic()
    queue.add(A, start + 60)
    queue.add(A, start + 0.2)

    assert queue.take() == A
    assert time.monotonic() >= start + 0.2


def test_a_key_that_is_added_wakes_who_waits_for_a_later_one() -> None:
    queue = WorkQueue()
    queue.add(A, time.monotonic() + 60)
    taken: list[Key | None] = []
    worker = threading.Thread(target=lambda: taken.append(queue.take()))
    worker.start()

    queue.add(B)

    worker.join(10)
    assert taken == [B]


def test_closing_wakes_who_waits() -> None:
    queue = WorkQueue()
    worker = threading.Thread(target=queue.take)
    worker.start()

    queue.close()

    worker.join(10)
    assert not worker.is_alive()
