"""What is not a plain canary, on live traffic: shares that grow evenly, a shadow, and a lean rollout."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from math import ceil

from local.demo.training import Training
from local.faults import Faults
from local.serving.faults import Fault
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import Project
from tests.stack.running import RunningStack
from tests.stack.watching import Watch
from tests.statemachines.test_canary import (
    evidence,
    policy,
    served,
    set_policy,
    tell,
    wait_for_step,
    weights,
)
from tests.waiting import eventually

FULL = 2


@contextmanager
def fault(stack: RunningStack, project: Project, version: int, ordered: Fault) -> Iterator[None]:
    faults = Faults(stack.settings.kubeconfig)
    revision = project.revision_name("digits", version)
    faults.set(project.namespace, revision, ordered)
    try:
        yield
    finally:
        faults.clear(project.namespace, revision)


def test_linear_adds_the_same_share_until_it_has_everything(
    training: Training, new_project: NewProject
) -> None:
    project = new_project("linear", tenant="globex")
    with served(training, project) as traffic:
        strategy = {"type": "Linear", "percent": 25, "bake_seconds": 2}
        set_policy(project, policy(strategy=strategy))
        with Watch(project) as watch:
            version = project.publish("digits", training.second.file.read_bytes())
            rollout = project.running_rollout("digits", version)
            ended = project.ended_rollout("digits", rollout, 90)

    assert (ended["state"], ended["reason"]) == ("Promoted", None), ended
    assert watch.shares == [
        {1: 100},
        {1: 75, version: 25},
        {1: 50, version: 50},
        {1: 25, version: 75},
        {version: 100},
    ]
    assert traffic.answers.failures == []


def test_a_shadow_is_judged_on_copies_and_answers_nobody(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("shadow", tenant="globex")
    with served(training, project) as traffic:
        answers = traffic.answers.by_model
        strategy = {"type": "Shadow", "mirror_percent": 100, "bake_seconds": 2}
        set_policy(project, policy(strategy=strategy))

        good = project.publish("digits", training.second.file.read_bytes())
        rollout = project.running_rollout("digits", good)
        wait_for_approval(project, rollout)
        assert weights(project) == {1: 100}
        assert answers["first"]
        assert answers.get("second", 0) == 0
        tell(project, rollout, "approve")
        ended = project.ended_rollout("digits", rollout)
        assert (ended["state"], ended["reason"]) == ("Promoted", None), ended
        assert judged_copies(project, rollout, "Pass")
        eventually(lambda: answers.get("second"), "it to answer")

        with fault(stack, project, good + 1, Fault(errorRate=1)):
            bad = project.publish("digits", training.first.file.read_bytes())
            before = answers["first"]
            rollout = project.running_rollout("digits", bad)
            ended = project.ended_rollout("digits", rollout)
        assert (ended["state"], ended["reason"]["code"]) == ("RolledBack", "ErrorRateHigher"), ended
        assert judged_copies(project, rollout, "Fail")
        assert weights(project) == {good: 100}
        assert {tick["percent"] for tick in evidence(project, rollout)["ticks"]} == {0}
        assert answers["first"] == before
    assert traffic.answers.failures == []


def wait_for_approval(project: Project, rollout: str) -> None:
    def look() -> bool:
        progress = project.rollout("digits", rollout)["progress"]
        return bool(progress and progress["phase"] == "AwaitingApproval")

    eventually(look, "the shadow to be judged good, and to wait for a person")


def judged_copies(project: Project, rollout: str, verdict: str) -> int:
    """How many answers to copies the last verdict of that kind rests on."""
    samples = [
        check["samples_canary"]
        for tick in evidence(project, rollout)["ticks"]
        for check in tick["checks"]
        if (tick["verdict"], check["verdict"]) == (verdict, verdict)
    ]
    return int(samples[-1]) if samples else 0


def test_lean_shrinks_behind_what_is_proven_and_grows_again_before_all_comes_back(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("lean", tenant="globex")
    steps = [
        {"percent": 10, "bake_seconds": 2},
        {"percent": 50, "bake_seconds": 2},
        {"percent": 80, "bake_seconds": 3600},
    ]
    settings: Json = {"autoscaling": {"min_replicas": FULL, "max_replicas": FULL}}
    made = {"name": "digits", "model": "digits", "settings": settings}
    answer = project.caller.call("POST", project.path("/deployments"), made)
    assert answer.status == HTTPStatus.CREATED, answer
    with served(training, project) as traffic:
        wanted = settings | {"rollout": policy(steps, capacity="Lean")}
        answer = project.caller.call("PUT", project.path("/deployments/digits/settings"), wanted)
        assert answer.status == HTTPStatus.OK, answer
        with Watch(project) as watch:
            version = project.publish("digits", training.second.file.read_bytes())
            rollout = project.running_rollout("digits", version)
            wait_for_step(project, rollout, 50)
            assert watch.available == FULL, "50 % is not proven yet"
            wait_for_step(project, rollout, 80)
            eventually(lambda: watch.available == 1, "the stable revision to shrink", 90)
            assert traffic.answers.failures == []

            with fault(stack, project, version, Fault(errorRate=0.9)):
                ended = project.ended_rollout("digits", rollout, 90)

    assert (ended["state"], ended["reason"]["code"]) == ("RolledBack", "ErrorRateHigher"), ended
    assert watch.shares[-3:] == [{1: 20, version: 80}, {1: 50, version: 50}, {1: 100}]
    short = [
        sighting
        for sighting in watch.sightings
        if sighting.available < ceil(FULL * sighting.shares.get(1, 0) / 100)
    ]
    assert short == []
