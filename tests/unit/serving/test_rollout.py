"""The steps of a rollout: each works only for the execution that owns it, and ends in a state with a reason."""

import json

import pytest

from controlplane.errors import (
    ClusterRefusedError,
    ClusterUnavailableError,
    RolloutFailedError,
    RolloutNotActiveError,
    UnavailableError,
)
from controlplane.runtime.rollouts import reason_of
from controlplane.serving.decision import Next
from controlplane.serving.model import DeploymentStatus, RolloutState
from controlplane.serving.ports import RevisionObservation, RevisionState
from tests.fakes import Clock
from tests.fakes.cluster import PROGRESSING
from tests.unit.serving.world import (
    GRACE,
    TENANT,
    TIMEOUT,
    World,
    revision,
)


def test_a_rollout_moves_all_traffic_and_becomes_the_stable_revision(
    world: World, clock: Clock
) -> None:
    reference = world.start(world.register(1))
    world.check(reference)
    world.apply(reference)
    assert world.weights is None
    moment = clock.advance(5)
    assert world.tick(reference).next == Next.END
    assert world.weights == {revision(1): 100}

    found = world.deployment
    assert found.status is DeploymentStatus.READY
    assert found.stable is not None
    assert (found.stable.name, found.stable.since) == (revision(1), moment)
    record = world.rollout(reference.rollout_id)
    assert (record.state, record.ended_at) == (RolloutState.PROMOTED, moment)
    (event,) = world.ended()
    assert (event.state, event.reason, event.needs_execution) == ("Promoted", None, False)


def test_a_revision_is_made_of_what_was_registered(world: World) -> None:
    reference = world.start(world.register(1))

    world.apply(reference)

    spec = world.cluster.revisions[TENANT, revision(1)]
    assert spec.version.uri.endswith("/digits/1")
    assert spec.runtime.name == "kserve-sklearnserver"
    assert spec.rollout_id == reference.rollout_id


def test_every_step_may_be_repeated(world: World) -> None:
    reference = world.start(world.register(1))
    for step in (world.check, world.prepare, world.shift):
        step(reference)
        step(reference)
    world.finish(reference)
    world.close(reference)

    assert world.weights == {revision(1): 100}


def test_a_route_with_traffic_is_not_touched_before_the_revision_is_ready(world: World) -> None:
    world.roll_out(1)
    reference = world.start(world.register(2))

    world.apply(reference)

    assert world.weights == {revision(1): 100}


def test_a_step_of_an_execution_that_owns_nothing_is_refused(world: World) -> None:
    reference = world.roll_out(1)
    world.start(world.register(2))
    before = list(world.cluster.writes)

    for step in (world.check, world.prepare, world.tick, world.fail):
        with pytest.raises(RolloutNotActiveError):
            step(reference)
    assert world.cluster.writes == before


def test_a_step_for_a_deployment_that_is_not_there_is_refused(world: World) -> None:
    reference = world.start(world.register(1))
    world.table.deployments.clear()

    with pytest.raises(RolloutNotActiveError):
        world.tick(reference)


def test_a_format_that_nobody_serves_is_refused_before_the_cluster(world: World) -> None:
    reference = world.start(world.register(1, model_format="tensorflow"))

    with pytest.raises(RolloutFailedError) as refused:
        world.check(reference)

    assert refused.value.reason == "NoSupportingRuntime"
    assert "tensorflow" in refused.value.message
    assert "sklearn" in (refused.value.remedy or "")
    assert json.loads(str(refused.value)) == {
        "code": "NoSupportingRuntime",
        "message": refused.value.message,
        "remedy": refused.value.remedy,
    }


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_files_that_are_not_as_registered_are_refused(world: World, damage: str) -> None:
    reference = world.start(world.register(1))
    (key,) = world.artifacts.keys_below("registry/")
    if damage == "gone":
        world.artifacts.purge(key)
    else:
        world.artifacts.put(key, b"other weights", modified_at=world.deployment.created_at)

    with pytest.raises(RolloutFailedError) as refused:
        world.check(reference)

    assert refused.value.reason == "ArtifactChanged"
    assert "model.pkl" in refused.value.message
    assert "Upload" in (refused.value.remedy or "")


def test_a_version_that_is_gone_is_refused(world: World) -> None:
    reference = world.start(world.register(1))
    world.table.versions.clear()

    for step in (world.check, world.apply):
        with pytest.raises(RolloutFailedError) as refused:
            step(reference)
        assert refused.value.reason == "VersionGone"


@pytest.mark.parametrize(
    ("reason", "code", "remedy"),
    [
        ("ModelLoadFailed", "ModelLoadFailed", "loads with the framework version"),
        ("RuntimeNotRecognized", "RuntimeNotRecognized", "administrators"),
        ("NoSupportingRuntime", "NoSupportingRuntime", "Convert"),
        ("SomethingNew", "SomethingNew", "log"),
        ("", "RevisionFailed", "log"),
    ],
)
def test_a_revision_that_failed_says_why_and_what_to_do(
    world: World, reason: str, code: str, remedy: str
) -> None:
    reference = world.start(world.register(1))
    world.apply(reference)
    world.cluster.outcomes[1] = RevisionObservation(RevisionState.FAILED, reason, "KeyError: 'w'")

    assert world.tick(reference).next == Next.END

    assert world.last.state is RolloutState.FAILED
    told = world.last.reason
    assert told is not None
    assert (told.code, told.message) == (code, "KeyError: 'w'")
    assert remedy in (told.remedy or "")


def test_a_revision_that_is_not_ready_in_time_times_out(world: World, clock: Clock) -> None:
    reference = world.start(world.register(1))
    world.apply(reference)
    world.cluster.outcomes[1] = PROGRESSING
    clock.advance(TIMEOUT.total_seconds())
    waiting = world.tick(reference)
    assert (waiting.next, waiting.seconds) == (Next.TICK, 5)
    clock.advance(1)

    assert world.tick(reference).next == Next.END
    assert world.last.state is RolloutState.TIMED_OUT
    assert world.last.reason is not None
    assert world.last.reason.code == "DeadlineExceeded"
    assert "not yet" in world.last.reason.message


def test_a_revision_that_is_ready_after_its_time_is_taken(world: World, clock: Clock) -> None:
    reference = world.start(world.register(1))
    world.apply(reference)
    clock.advance(TIMEOUT.total_seconds() + 1)

    world.finish(reference)

    assert world.last.state is RolloutState.PROMOTED


def test_a_revision_that_is_missing_is_prepared_again_until_its_time_is_over(
    world: World, clock: Clock
) -> None:
    reference = world.start(world.register(1))
    world.apply(reference)
    world.cluster.revisions.clear()
    assert [world.tick(reference).next for _ in range(2)] == [Next.TICK, Next.PREPARE]
    world.prepare(reference)
    world.cluster.revisions.clear()
    clock.advance(TIMEOUT.total_seconds() + 1)

    assert world.tick(reference).next == Next.END
    assert world.last.state is RolloutState.TIMED_OUT


def test_a_cluster_that_does_not_answer_is_no_fault_of_the_model(world: World) -> None:
    reference = world.start(world.register(1))
    world.cluster.fail_next(1)

    with pytest.raises(ClusterUnavailableError):
        world.apply(reference)
    world.apply(reference)
    world.artifacts.unavailable = 1
    with pytest.raises(UnavailableError):
        world.check(reference)


def test_a_failed_rollout_keeps_the_stable_revision_and_its_traffic(world: World) -> None:
    world.roll_out(1)
    reference = world.start(world.register(2))
    world.apply(reference)

    world.fail(reference, "ModelLoadFailed")
    world.retire()

    found = world.deployment
    assert found.status is DeploymentStatus.READY
    assert found.stable is not None
    assert found.stable.model_version == 1
    assert world.weights == {revision(1): 100}
    assert [name for _, name in world.cluster.revisions] == [revision(1)]
    assert world.last.reason is not None
    assert world.last.reason.code == "ModelLoadFailed"
    record = world.rollout(reference.rollout_id)
    assert (record.state, record.reason) == (RolloutState.FAILED, world.last.reason)


def test_a_later_version_works_after_a_failure(world: World) -> None:
    world.fail(world.start(world.register(1)))
    world.roll_out(2)

    assert world.deployment.status is DeploymentStatus.READY


def test_the_revision_before_gets_its_grace_time(world: World, clock: Clock) -> None:
    world.roll_out(1)
    world.roll_out(2)

    (leaving,) = world.deployment.retiring
    assert (leaving.name, leaving.retire_at) == (revision(1), clock.now() + GRACE)


@pytest.mark.parametrize("call", ["survey", "prepare", "observe", "promote"])
@pytest.mark.parametrize("remedy", ["Give it a deployment of its own.", None])
def test_what_the_cluster_refuses_ends_the_rollout_with_what_can_be_done(
    world: World, call: str, remedy: str | None
) -> None:
    """As the state machine hands it on: of an error it knows no more than class and text."""
    world.roll_out(1)
    reference = world.start(world.register(2))

    def refuse() -> None:
        world.cluster.faults.append(ClusterRefusedError("the two cannot be merged", remedy=remedy))

    def carry_out() -> None:
        world.apply(reference)
        world.tick(reference)

    world.cluster.interrupts[call] = refuse
    with pytest.raises(RolloutFailedError) as failed:
        carry_out()

    told = reason_of("RolloutFailedError", json.dumps({"errorMessage": str(failed.value)}))
    assert (told.code, told.message) == ("ClusterRefused", "the two cannot be merged")
    assert told.remedy == remedy or (remedy is None and "cluster" in (told.remedy or ""))
