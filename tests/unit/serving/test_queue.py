"""Which rollout is next: one runs, the newest waits, those between are Superseded."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.reasons import Reason
from controlplane.serving.model import (
    Deployment,
    DeploymentStatus,
    RetiringRevision,
    Revision,
    RolloutState,
    RolloutTicket,
)
from controlplane.serving.queue import (
    enqueue,
    give_up,
    promote,
    retire_all,
    retired,
    start_next,
    withdraw,
)
from tests.fakes.clock import START
from tests.unit.serving.world import GRACE, TIMEOUT

EMPTY = Deployment(name="digits", model="digits", created_at=START)
LATER = START + GRACE


def ticket(number: int, position: str | None = None) -> RolloutTicket:
    return RolloutTicket(
        rollout_id=f"r-{number:08x}",
        model_version=number,
        position=position or f"{number:04d}",
        requested_by="ada",
        requested_at=START,
    )


def stable(number: int) -> Revision:
    return Revision(model_version=number, name=f"v{number}", since=START)


def leaving(number: int) -> RetiringRevision:
    return RetiringRevision(model_version=number, name=f"v{number}", retire_at=LATER)


def running(number: int, *, before: Deployment = EMPTY) -> Deployment:
    queued, _ = enqueue(before, ticket(number))
    return start_next(queued, "execution-1", START, TIMEOUT)


def test_the_first_rollout_starts_with_its_own_deadline() -> None:
    found = running(1)

    assert found.active is not None
    assert (found.active.execution, found.active.ready_by) == ("execution-1", START + TIMEOUT)
    whole = timedelta(seconds=found.settings.rollout.max_seconds)
    assert found.active.deadline == START + whole
    assert found.waiting is None
    assert found.status is DeploymentStatus.CREATING


def test_a_rollout_waits_while_another_runs() -> None:
    queued, superseded = enqueue(running(1), ticket(2))

    assert superseded is None
    assert start_next(queued, "execution-2", START, TIMEOUT) is queued


def test_the_newest_takes_the_place_of_the_one_that_waits() -> None:
    queued, _ = enqueue(running(1), ticket(2))
    queued, superseded = enqueue(queued, ticket(3))

    assert superseded == ticket(2)
    assert queued.waiting == ticket(3)


@pytest.mark.parametrize("position", ["0001", "0002"])
def test_an_older_one_that_comes_late_is_superseded_itself(position: str) -> None:
    before = running(2)

    queued, superseded = enqueue(before, ticket(1, position))

    assert superseded == ticket(1, position)
    assert queued is before


def test_an_older_one_is_superseded_after_the_newer_has_ended_too() -> None:
    ended = promote(running(2), stable(2), LATER, START)

    queued, superseded = enqueue(ended, ticket(1))

    assert (queued, superseded) == (ended, ticket(1))


@given(st.permutations(range(1, 7)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_whatever_the_order_the_newest_is_last(order: list[int], ends: list[bool]) -> None:
    found, started = EMPTY, []
    for number, end in zip(order, ends, strict=True):
        found, _ = enqueue(found, ticket(number))
        found = start_next(found, "execution", START, TIMEOUT)
        if end and found.active:
            started.append(found.active.model_version)
            found = promote(found, stable(found.active.model_version), LATER, START)
    while found.waiting or found.active:
        found = start_next(found, "execution", START, TIMEOUT)
        assert found.active is not None
        started.append(found.active.model_version)
        found = promote(found, stable(found.active.model_version), LATER, START)

    assert started == sorted(started)
    assert started[-1] == 6


def test_the_revision_before_retires_after_its_grace_time() -> None:
    before = running(2, before=EMPTY.with_changes(stable=stable(1)))
    assert before.status is DeploymentStatus.ROLLING_OUT

    found = promote(before, stable(2), LATER, START)

    assert found.retiring == (leaving(1).model_copy(update={"previous": True}),)
    assert found.previous == found.retiring[0]
    assert found.status is DeploymentStatus.READY
    assert found.last_rollout is not None
    assert found.last_rollout.state is RolloutState.PROMOTED


def test_the_same_version_rolled_out_again_retires_nothing() -> None:
    before = running(1, before=EMPTY.with_changes(stable=stable(1)))

    assert promote(before, stable(1), LATER, START).retiring == ()


def test_a_version_that_is_retiring_is_taken_up_again() -> None:
    before = EMPTY.with_changes(stable=stable(2), retiring=(leaving(1), leaving(3)))

    found = running(1, before=before)

    assert found.retiring == (leaving(3),)
    assert found.held_versions == {1, 2, 3}


REASON = Reason(code="ModelLoadFailed", message="no such layer")


def test_what_failed_goes_at_once_and_the_stable_stays() -> None:
    before = running(2, before=EMPTY.with_changes(stable=stable(1)))

    found = give_up(before, stable(2), RolloutState.FAILED, REASON, START, START)

    assert found.stable == stable(1)
    assert [(r.model_version, r.retire_at) for r in found.retiring] == [(2, START)]
    assert found.last_rollout is not None
    assert found.last_rollout.reason == REASON
    assert found.status is DeploymentStatus.READY


def test_the_stable_revision_stays_when_its_own_new_rollout_fails() -> None:
    before = running(1, before=EMPTY.with_changes(stable=stable(1)))

    found = give_up(before, stable(1), RolloutState.FAILED, REASON, START, START)

    assert (found.stable, found.retiring) == (stable(1), ())


def test_a_first_rollout_that_fails_leaves_a_failed_deployment() -> None:
    found = give_up(running(1), stable(1), RolloutState.TIMED_OUT, REASON, START, START)

    assert found.status is DeploymentStatus.FAILED
    assert found.held_versions == {1}
    assert retired(found, 1).held_versions == frozenset()


def test_only_a_rollout_that_runs_can_end() -> None:
    with pytest.raises(ValueError, match="digits"):
        promote(EMPTY, stable(1), LATER, START)
    with pytest.raises(ValueError, match="digits"):
        give_up(EMPTY, stable(1), RolloutState.FAILED, REASON, START, START)


def test_all_revisions_of_a_deployment_on_its_way_out_go_at_once() -> None:
    before = EMPTY.with_changes(stable=stable(2), retiring=(leaving(1),))

    found = retire_all(before, START)

    assert found.stable is None
    assert {(r.model_version, r.retire_at) for r in found.retiring} == {(1, START), (2, START)}
    assert found.status is DeploymentStatus.DELETING


def test_a_version_that_comes_meanwhile_takes_the_deployment_up_again() -> None:
    found = running(3, before=retire_all(EMPTY.with_changes(stable=stable(2)), START))

    assert (found.deleting, found.status) == (False, DeploymentStatus.CREATING)


def test_only_the_last_revision_is_kept_for_a_rollback() -> None:
    first = promote(
        running(2, before=EMPTY.with_changes(stable=stable(1))), stable(2), LATER, START
    )

    second = promote(running(3, before=first), stable(3), LATER, START)

    assert second.previous is not None
    assert second.previous.model_version == 2
    assert [(r.model_version, r.retire_at) for r in second.retiring] == [(1, START), (2, LATER)]


def test_a_waiting_rollout_that_is_withdrawn_holds_nothing() -> None:
    queued, _ = enqueue(running(1), ticket(2))

    found, withdrawn = withdraw(queued, REASON, START)

    assert (found.waiting, withdrawn) == (None, ticket(2))
    assert found.held_versions == {1}


def test_a_waiting_rollout_holds_its_version() -> None:
    queued, _ = enqueue(running(1), ticket(2))

    assert queued.held_versions == {1, 2}
    assert queued.status is DeploymentStatus.CREATING


def test_a_deadline_is_counted_from_the_start_and_not_from_the_request() -> None:
    queued, _ = enqueue(EMPTY, ticket(1))

    found = start_next(queued, "execution-1", START + timedelta(hours=1), TIMEOUT)

    assert found.active is not None
    assert found.active.ready_by == START + timedelta(hours=1) + TIMEOUT
