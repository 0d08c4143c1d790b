"""What people may tell a rollout, when, and how the execution that waits hears of it."""

import pytest

from controlplane.errors import ConflictError, NotFoundError, PreconditionFailedError
from controlplane.reasons import Reason
from controlplane.serving.deployment_events import RolloutEnded
from controlplane.serving.model import RolloutState
from controlplane.serving.rollout import RolloutReference
from controlplane.serving.rollout_events import RolloutCommanded
from controlplane.serving.states import Command, Phase, RolloutKind
from controlplane.serving.strategy import Canary, RolloutPolicy
from controlplane.serving.waiting import await_tick, wake_rollout
from tests.fakes import Clock
from tests.fakes.cluster import PROGRESSING
from tests.unit.serving.world import GRACE, PLACE, World, revision

PENDING = Reason(code="NotApproved", message="nobody approved it", remedy="Approve it.")


@pytest.fixture
def running(world: World) -> RolloutReference:
    """Version 1 serves, the rollout of version 2 runs."""
    world.roll_out(1)
    reference = world.start(world.register(2))
    world.apply(reference)
    return reference


@pytest.fixture
def stepping(world: World) -> RolloutReference:
    """Version 1 serves, the canary of version 2 has its first share, and is just not ready."""
    world.roll_out(1)
    world.set(RolloutPolicy(strategy=Canary()))
    reference = world.start(world.register(2))
    world.apply(reference)
    world.tick(reference)
    world.cluster.outcomes[2] = PROGRESSING
    return reference


def be(world: World, phase: Phase) -> None:
    """The rollout as it is shown."""
    found = world.deployment
    assert found.active is not None
    active = found.active.model_copy(update={"phase": phase})
    world.table.deployments[PLACE] = found.with_changes(active=active)


def commanded(world: World) -> list[Command]:
    events = world.table.events_of(RolloutCommanded)
    return [event.command for event in events if isinstance(event, RolloutCommanded)]


def test_a_command_is_in_the_deployment_with_who_and_when(
    world: World, clock: Clock, running: RolloutReference
) -> None:
    world.command(running.rollout_id, Command.PAUSE)

    active = world.deployment.active
    assert active is not None
    (given,) = active.commands
    assert (given.number, given.command, given.actor) == (1, "Pause", "ada")
    assert given.at == clock.now()
    assert commanded(world) == [Command.PAUSE]


@pytest.mark.parametrize("command", [Command.PAUSE, Command.PROMOTE, Command.ABORT])
def test_saying_it_twice_is_harmless(
    world: World, running: RolloutReference, command: Command
) -> None:
    for _ in range(2):
        world.command(running.rollout_id, command)

    assert commanded(world) == [command]


def test_a_promote_that_a_pause_has_undone_can_be_given_again(
    world: World, stepping: RolloutReference
) -> None:
    """Also when the tick that took the first in, and wrote nothing that others see, has left it in the list."""
    world.command(stepping.rollout_id, Command.PROMOTE)
    world.tick(stepping)
    assert world.progress(stepping.rollout_id).by_hand
    world.cluster.outcomes.clear()
    world.cluster.lag = 9
    world.cluster.turn(PLACE, {revision(1): 90, revision(2): 10})
    for command in (Command.PAUSE, Command.RESUME):
        world.command(stepping.rollout_id, command)
    world.tick(stepping)
    assert not world.progress(stepping.rollout_id).by_hand

    world.command(stepping.rollout_id, Command.PROMOTE)
    world.tick(stepping)

    assert world.progress(stepping.rollout_id).by_hand


def test_what_is_still_to_be_taken_in_counts_in_its_order(
    world: World, running: RolloutReference
) -> None:
    for command in (Command.PROMOTE, Command.PAUSE, Command.PROMOTE, Command.PROMOTE):
        world.command(running.rollout_id, command)

    assert commanded(world) == [Command.PROMOTE, Command.PAUSE, Command.PROMOTE]
    world.tick(running)
    progress = world.progress(running.rollout_id)
    assert (progress.by_hand, progress.paused) == (True, False)


def test_commands_that_were_taken_in_are_not_kept(world: World, stepping: RolloutReference) -> None:
    world.command(stepping.rollout_id, Command.PROMOTE)
    world.tick(stepping)
    world.command(stepping.rollout_id, Command.PAUSE)

    active = world.deployment.active
    assert active is not None
    assert [given.number for given in active.commands] == [2]


def test_resuming_what_is_not_paused_changes_nothing(
    world: World, running: RolloutReference
) -> None:
    world.command(running.rollout_id, Command.RESUME)
    assert commanded(world) == []


def test_approval_of_what_does_not_wait_for_it_is_refused(
    world: World, running: RolloutReference
) -> None:
    with pytest.raises(ConflictError, match="Preparing") as refused:
        world.command(running.rollout_id, Command.APPROVE)
    assert refused.value.remedy

    be(world, Phase.AWAITING_APPROVAL)
    world.command(running.rollout_id, Command.APPROVE)
    assert commanded(world) == [Command.APPROVE]


@pytest.mark.parametrize("command", [Command.PAUSE, Command.PROMOTE])
def test_what_is_rolled_back_can_neither_be_paused_nor_promoted(
    world: World, running: RolloutReference, command: Command
) -> None:
    be(world, Phase.ROLLING_BACK)
    with pytest.raises(ConflictError) as refused:
        world.command(running.rollout_id, command)
    assert refused.value.remedy


def test_a_command_to_what_has_ended_is_refused(world: World) -> None:
    reference = world.roll_out(1)
    for command in Command:
        with pytest.raises(ConflictError, match="Promoted") as refused:
            world.command(reference.rollout_id, command)
        assert refused.value.remedy
    with pytest.raises(NotFoundError):
        world.command("r-00000000", Command.ABORT)


def test_a_command_on_another_state_of_the_deployment_is_refused(
    world: World, running: RolloutReference
) -> None:
    with pytest.raises(PreconditionFailedError):
        world.command(running.rollout_id, Command.ABORT, world.deployment.version - 1)
    world.command(running.rollout_id, Command.ABORT, world.deployment.version)


def test_a_rollout_that_waits_can_be_aborted_and_nothing_else(
    world: World, clock: Clock, running: RolloutReference
) -> None:
    clock.advance(1)
    waiting = world.request(1)
    with pytest.raises(ConflictError):
        world.command(waiting.rollout_id, Command.PROMOTE)

    told = world.command(waiting.rollout_id, Command.ABORT)

    assert (told.state, told.reason and told.reason.code) == (RolloutState.ABORTED, "Aborted")
    assert world.deployment.waiting is None
    assert world.rollout(waiting.rollout_id).state is RolloutState.ABORTED
    (event,) = [e for e in world.ended() if e.rollout_id == waiting.rollout_id]
    assert not event.needs_execution


def wait(world: World, reference: RolloutReference, commands: int) -> None:
    await_tick(
        *PLACE,
        reference.execution,
        "token-1",
        commands,
        deployments=world.deployments,
        waits=world.waits,
        tokens=world.waits,
    )


def test_a_command_before_the_wait_wakes_it_at_once(
    world: World, running: RolloutReference
) -> None:
    world.command(running.rollout_id, Command.PAUSE)

    wait(world, running, commands=0)

    assert world.waits.completed == ["token-1"]


def test_a_command_after_the_wait_began_wakes_it(world: World, running: RolloutReference) -> None:
    wait(world, running, commands=0)
    assert world.waits.completed == []
    world.command(running.rollout_id, Command.PAUSE)

    wake_rollout(*PLACE, waits=world.waits, tokens=world.waits)

    assert world.waits.completed == ["token-1"]


def test_a_command_that_was_seen_wakes_nobody(world: World, running: RolloutReference) -> None:
    world.command(running.rollout_id, Command.PAUSE)

    wait(world, running, commands=1)

    assert world.waits.completed == []


def test_a_command_that_waits_for_the_cluster_does_not_wake_it_again_and_again(
    world: World, stepping: RolloutReference
) -> None:
    """Only the next one asks for a look before its time; all are taken in when the cluster is back."""
    world.command(stepping.rollout_id, Command.PAUSE)
    world.cluster.fail_next(2)
    for _ in range(2):
        away = world.tick(stepping)
        wait(world, stepping, away.commands)
    assert world.waits.completed == []

    world.command(stepping.rollout_id, Command.ABORT)
    wait(world, stepping, away.commands)
    assert world.waits.completed == ["token-1"]
    world.finish(stepping)

    assert world.last.state is RolloutState.ABORTED
    told = [given.command for t in world.ticks(stepping.rollout_id) for given in t.commands]
    assert told == [Command.PAUSE, Command.ABORT]


def test_a_wait_for_a_rollout_that_has_ended_is_over_at_once(world: World) -> None:
    reference = world.roll_out(1)

    wait(world, reference, commands=0)

    assert world.waits.completed == ["token-1"]


def test_nobody_waits_and_nobody_is_woken(world: World) -> None:
    wake_rollout(*PLACE, waits=world.waits, tokens=world.waits)
    assert world.waits.completed == []


def test_a_promoted_version_can_be_gone_back_on_while_its_predecessor_is_kept(
    world: World, clock: Clock
) -> None:
    world.roll_out(1)
    world.roll_out(2)
    assert world.deployment.previous is not None
    clock.advance(1)
    asked = world.roll_back()
    assert (asked.kind, asked.model_version) == (RolloutKind.ROLLBACK, 1)
    _, reference = world.open()
    world.versions.obstacles[1] = [PENDING]
    world.apply(reference)
    world.finish(reference)

    assert world.weights == {revision(1): 100}
    assert world.last.state is RolloutState.PROMOTED
    assert world.deployment.previous is None
    (leaving,) = world.deployment.retiring
    assert leaving.model_version == 2


@pytest.mark.parametrize("aborted", [True, False])
def test_a_rollback_that_ends_otherwise_leaves_the_way_back_as_long_as_it_was(
    world: World, clock: Clock, aborted: bool
) -> None:
    world.roll_out(1)
    world.roll_out(2)
    kept = world.deployment.previous
    assert kept is not None
    clock.advance(1)
    world.roll_back()
    _, reference = world.open()
    world.apply(reference)
    if aborted:
        world.command(reference.rollout_id, Command.ABORT)
        world.finish(reference)
    else:
        world.fail(reference)
        world.close(reference)

    assert world.last.state is (RolloutState.ABORTED if aborted else RolloutState.FAILED)
    assert world.deployment.retiring == (kept,)
    assert world.weights == {revision(2): 100}
    world.retire()
    world.roll_back()
    _, again = world.open()
    world.apply(again)
    world.finish(again)
    assert world.weights == {revision(1): 100}


def test_a_revision_that_had_traffic_again_stays_for_its_last_requests(
    world: World, clock: Clock
) -> None:
    """However little was left of the time for which it was kept."""
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE.total_seconds() - 1)
    world.roll_back()
    _, reference = world.open()
    world.apply(reference)
    world.cluster.lag = 9
    world.tick(reference)
    world.command(reference.rollout_id, Command.ABORT)
    world.tick(reference)
    world.cluster.lag = 0
    world.cluster.turn(PLACE, {revision(2): 100, revision(1): 0})
    world.finish(reference)

    wait = world.deployment.settings.rollout.termination_wait_seconds
    (leaving,) = world.deployment.retiring
    assert (leaving.retire_at - clock.now()).total_seconds() == wait


def test_there_is_no_way_back_when_the_previous_revision_has_gone(
    world: World, clock: Clock
) -> None:
    world.roll_out(1)
    with pytest.raises(ConflictError, match="not kept") as refused:
        world.roll_back()
    assert "version" in (refused.value.remedy or "")
    world.roll_out(2)
    clock.advance(GRACE.total_seconds())
    world.retire()

    with pytest.raises(ConflictError, match="not kept"):
        world.roll_back()


def test_there_is_no_way_back_once_the_previous_revision_may_be_deleted(
    world: World, clock: Clock
) -> None:
    """Somebody may be about to, who has looked whether anybody goes back to it."""
    world.roll_out(1)
    world.roll_out(2)
    clock.advance(GRACE.total_seconds())

    with pytest.raises(ConflictError, match="not kept"):
        world.roll_back()


def test_the_way_back_waits_for_nobody(world: World, running: RolloutReference) -> None:
    with pytest.raises(ConflictError, match="runs") as refused:
        world.roll_back()
    assert "Abort" in (refused.value.remedy or "")


def test_what_was_said_to_a_rollout_is_in_its_ticks(
    world: World, running: RolloutReference
) -> None:
    world.command(running.rollout_id, Command.ABORT)
    world.tick(running)

    (event,) = [e for e in world.table.events if isinstance(e, RolloutEnded)][-1:]
    assert event.state is RolloutState.ABORTED
    last = world.ticks(running.rollout_id)[-1]
    assert [(c.command, c.actor) for c in last.commands] == [("Abort", "ada")]
