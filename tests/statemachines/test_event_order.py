"""S3 promises each event at least once and in no order: one version for each object, the newest is served."""

from typing import Any

from local.demo.training import Training
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import ONE_FILE, Inbox, Project
from tests.stack.running import RunningStack
from tests.waiting import eventually

UNSERVED = "model.keras"


def arrival(stack: RunningStack, inbox: Inbox, tail: str, content: bytes) -> Json:
    """Upload an object and return S3's event of it, with the version that AWS names there."""
    seen = len(_events(stack, inbox.key(tail)))
    version = inbox.put(tail, content)
    event = eventually(
        lambda: _events(stack, inbox.key(tail))[seen:], f"S3 to announce {tail}", 10
    )[0]
    event["detail"]["object"]["version-id"] = version
    return event


def _events(stack: RunningStack, key: str) -> list[Json]:
    return [e for e in stack.s3_events.all() if e["detail"]["object"]["key"] == key]


def announced(stack: RunningStack, project: Project, kind: str) -> list[Json]:
    """The data of the project's events of that kind, so far."""
    events = stack.events.of_project(project.name)
    return [event["detail"]["data"] for event in events if event["detail-type"] == kind]


def announcements(stack: RunningStack, project: Project, kind: str, count: int) -> list[Json]:
    def look() -> list[Json] | None:
        found = announced(stack, project, kind)
        return found if len(found) >= count else None

    return eventually(look, f"{count} events {kind}")


def test_an_event_that_comes_again_makes_no_second_version(
    stack: RunningStack, new_project: NewProject
) -> None:
    project = new_project("again")
    inbox = project.inbox("digits")
    registration, rollout = (
        stack.executions("VersionRegistration"),
        stack.executions("ModelRollout"),
    )
    with stack.uploads_unannounced():
        event = arrival(stack, inbox, UNSERVED, b"a model")
        at_once = [registration.start(event) for _ in range(3)]
        assert {registration.ended(arn)["status"] for arn in at_once} == {"SUCCEEDED"}
        # MiniStack's own form of the event names no version of the object.
        del event["detail"]["object"]["version-id"]
        later = registration.ended(registration.start(event))
    assert later["output"] == {"state": "Registered"}
    (upload,) = project.ended_uploads("digits", 1)
    assert upload["version"] == 1
    assert project.versions("digits") == [1]
    model = project.caller.get(project.path("/models/digits"))
    assert (model["latest_version"], model["versions"]) == (1, 1)

    first = project.settled("digits", 1)
    (registered,) = announced(stack, project, "ModelVersionRegistered")
    assert registered["model_version"] == 1
    ((_, told),) = rollout.started_by_project(project.name)
    again = [rollout.start(told) for _ in range(2)]
    assert {rollout.ended(arn)["status"] for arn in again} == {"SUCCEEDED"}
    assert project.deployment("digits") == first
    (started,) = announced(stack, project, "RolloutStarted")
    assert started["rollout_id"] == first["last_rollout"]["rollout"]


def test_an_older_upload_that_is_announced_late_is_registered_but_not_served(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("late")
    inbox = project.inbox("digits")
    registration = stack.executions("VersionRegistration")
    with stack.uploads_unannounced():
        older = arrival(stack, inbox, ONE_FILE, training.first.file.read_bytes())
        newer = arrival(stack, inbox, ONE_FILE, training.second.file.read_bytes())
    registration.ended(registration.start(newer))
    served = project.settled("digits", 1)
    assert served["last_rollout"]["state"] == "Promoted"

    registration.ended(registration.start(older))

    assert project.versions("digits") == [2, 1]
    assert [project.version("digits", number)["source"]["version_id"] for number in (1, 2)] == [
        newer["detail"]["object"]["version-id"],
        older["detail"]["object"]["version-id"],
    ]
    ended = announcements(stack, project, "RolloutEnded", 2)[-1]
    assert (ended["model_version"], ended["state"]) == (2, "Superseded")
    record = project.rollout("digits", ended["rollout_id"])
    assert record["state"] == "Superseded"
    assert_superseded(record)
    found = project.deployment("digits")
    assert found is not None
    assert found["stable"] == served["stable"]
    assert found["last_rollout"] == served["last_rollout"]
    assert project.version("digits", 2)["served_by"] == []
    assert project.revision("digits", 2) is None


def test_uploads_announced_in_reverse_while_a_rollout_runs_end_with_the_newest(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("reverse")
    inbox = project.inbox("digits")
    registration = stack.executions("VersionRegistration")
    with stack.uploads_unannounced(), stack.held_still("controller"):
        events = [
            arrival(stack, inbox, ONE_FILE, model.file.read_bytes())
            for model in (training.first, training.first, training.second)
        ]
        registration.ended(registration.start(events[0]))
        project.running_rollout("digits", 1)
        for version, event in ((2, events[2]), (3, events[1])):
            registration.ended(registration.start(event))
            assert project.versions("digits")[0] == version
        superseded = announcements(stack, project, "RolloutEnded", 1)[0]
        assert superseded["model_version"] == 3
        assert_superseded(project.rollout("digits", superseded["rollout_id"]))

    found = project.settled("digits", 2)
    assert found["stable"]["version"] == 2
    assert found["last_rollout"]["state"] == "Promoted"


def test_of_versions_that_come_during_a_rollout_the_newest_waits_and_wins(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("busy")
    content = training.first.file.read_bytes()
    with stack.held_still("controller"):
        project.publish("digits", content)
        running = project.running_rollout("digits", 1)
        waiting = {}
        for version in (2, 3, 4):
            project.publish("digits", content)
            waiting[version] = _waiting_rollout(project, version)
        found = project.deployment("digits")
        assert found is not None
        assert found["status"] == "Creating"
        assert found["running"]["rollout"] == running
        for version, newer in ((2, 3), (3, 4)):
            record = project.rollout("digits", waiting[version])
            assert record["version"] == version
            assert_superseded(record, f"version {newer}")
        assert project.rollout("digits", waiting[4])["state"] == "Waiting"

    final = project.settled("digits", 4)
    assert final["status"] == "Ready"
    assert final["stable"]["version"] == 4
    assert project.rollout("digits", running)["state"] == "Promoted"
    assert project.rollout("digits", waiting[4])["state"] == "Promoted"
    assert project.version("digits", 2)["served_by"] == []


def _waiting_rollout(project: Project, version: int) -> str:
    def look() -> str | None:
        found = project.deployment("digits")
        waits: Any = found["waiting"] if found else None
        return waits["rollout"] if waits and waits["version"] == version else None

    return eventually(look, f"version {version} to wait")


def assert_superseded(record: Json, *words: str) -> None:
    assert record["state"] == "Superseded"
    assert record["ended_at"]
    assert record["started_at"] is None
    assert record["reason"]["code"] == "Superseded"
    assert record["reason"]["remedy"]
    for word in words:
        assert word in record["reason"]["message"]
