"""A registration that cannot go on, through no fault of the upload: it is recorded, and can be repeated."""

import pytest

from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import Inbox, Project, manifest_of
from tests.stack.running import RunningStack

# Copying them takes a second or more: time to interrupt it.
FILES = {f"part-{number:02}.bin": b"%d" % number for number in range(40)}
MANIFEST = "uploads/batch/manifest.json"


@pytest.fixture
def project(new_project: NewProject) -> Project:
    return new_project("died")


@pytest.fixture
def inbox(project: Project) -> Inbox:
    found = project.inbox("digits")
    for path, content in FILES.items():
        found.put(f"uploads/batch/{path}", content)
    return found


def assert_failed(stack: RunningStack, project: Project, word: str) -> Json:
    upload = project.ended_upload("digits", "batch")
    assert (upload["state"], upload["version"]) == ("Failed", None)
    assert upload["reason"]["code"] == "RegistrationFailed"
    assert word in upload["reason"]["message"]
    assert upload["reason"]["remedy"]
    assert project.versions("digits") == []
    return upload


def test_an_aborted_registration_is_recorded_and_the_manifest_can_be_sent_again(
    stack: RunningStack, project: Project, inbox: Inbox
) -> None:
    registration = stack.executions("VersionRegistration")
    inbox.put_manifest("batch", manifest_of(FILES, "tensorflow"))
    project.wait_for_upload_state("digits", "batch", "Copying")
    execution, _ = registration.started_by_key(inbox.key(MANIFEST))

    registration.abort(execution)

    assert_failed(stack, project, "ABORTED")
    inbox.put_manifest("batch", manifest_of(FILES, "tensorflow"))
    project.wait_for_upload_state("digits", "batch", "Registered")
    (version,) = project.versions("digits")
    assert {file["path"] for file in project.version("digits", version)["files"]} == set(FILES)


def test_a_task_that_lambda_refuses_fails_the_upload_until_the_event_is_delivered_again(
    stack: RunningStack, project: Project, inbox: Inbox
) -> None:
    registration = stack.executions("VersionRegistration")
    with stack.throttled("CopyFile"):
        inbox.put_manifest("batch", manifest_of(FILES, "tensorflow"))
        execution, event = registration.started_by_key(inbox.key(MANIFEST))
        assert registration.ended(execution, 60)["status"] == "FAILED"
    assert_failed(stack, project, "Lambda.")
    assert stack.stored(f"registry/tenant-acme/{project.name}/") == []

    repeated = registration.start(event)

    assert registration.ended(repeated)["output"] == {"state": "Registered"}
    assert len(project.versions("digits")) == 1
