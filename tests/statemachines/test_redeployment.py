"""A version that was served before can be served again; one that is served cannot be deleted."""

from http import HTTPStatus

from local.demo.training import Training
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import ONE_FILE, Project
from tests.stack.running import RunningStack
from tests.waiting import eventually


def redeploy(project: Project, version: int) -> Json:
    """Ask for a rollout; the rollout when it has ended."""
    answer = project.roll_out("digits", version)
    assert answer.status == HTTPStatus.ACCEPTED, answer
    return project.ended_rollout("digits", answer.body["rollout"])


def test_versions_go_back_and_forth_until_they_are_deleted(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("back")
    project.serve("digits", training.first.file.read_bytes())
    project.serve("digits", training.second.file.read_bytes())

    # Version 1 still waits for the end of its grace: it is taken up as it is.
    before = project.revision("digits", 1)
    assert before is not None
    assert redeploy(project, 1)["state"] == "Promoted"
    taken_up = project.revision("digits", 1)
    assert taken_up is not None
    assert taken_up["metadata"]["uid"] == before["metadata"]["uid"]
    assert _stable(project) == 1
    assert _delete(project, 1) == (HTTPStatus.CONFLICT, "in_use")
    unknown = project.roll_out("digits", 7)
    assert (unknown.status, unknown.body["code"]) == (HTTPStatus.NOT_FOUND, "not_found")

    project.wait_until_gone("digits", 2)
    assert project.revision("digits", 1) is not None
    assert redeploy(project, 2)["state"] == "Promoted"
    assert _stable(project) == 2
    project.wait_until_gone("digits", 1)
    eventually(lambda: project.version("digits", 1)["served_by"] == [], "version 1 to be let go")

    _assert_swapped_files_are_found(stack, project)
    _assert_deletion_removes_the_files(stack, project)


def _assert_swapped_files_are_found(stack: RunningStack, project: Project) -> None:
    """What lies in the registry is not what was registered: it is never served."""
    key = f"registry/tenant-acme/{project.name}/digits/1/{ONE_FILE}"
    stack.aws("s3").put_object(
        Bucket=stack.described["models_bucket"],
        Key=key,
        Body=b"somebody else's model",
        ChecksumAlgorithm="SHA256",
    )

    ended = redeploy(project, 1)

    assert (ended["state"], ended["reason"]["code"]) == ("Failed", "ArtifactChanged")
    assert ONE_FILE in ended["reason"]["message"]
    assert ended["reason"]["remedy"]
    assert _stable(project) == 2
    eventually(lambda: project.version("digits", 1)["served_by"] == [], "version 1 to be let go")


def _assert_deletion_removes_the_files(stack: RunningStack, project: Project) -> None:
    prefix = f"registry/tenant-acme/{project.name}/digits/1/"
    assert stack.stored(prefix)
    assert _delete(project, 1) == (HTTPStatus.NO_CONTENT, None)
    eventually(lambda: stack.stored(prefix) == [], "the files to go")
    assert project.versions("digits") == [2]
    assert project.roll_out("digits", 1).status == HTTPStatus.NOT_FOUND
    assert stack.stored(f"registry/tenant-acme/{project.name}/digits/2/")
    assert _delete(project, 2) == (HTTPStatus.CONFLICT, "in_use")


def _delete(project: Project, version: int) -> tuple[int, str | None]:
    answer = project.caller.call("DELETE", project.path(f"/models/digits/versions/{version}"))
    return answer.status, answer.body.get("code")


def _stable(project: Project) -> int:
    found = project.deployment("digits")
    assert found is not None
    return int(found["stable"]["version"])
