"""Who may see what, through the running API; function tests walk every operation."""

from http import HTTPStatus

import pytest

from tests.stack.fixtures import NewProject
from tests.stack.project import manifest_of
from tests.stack.running import RunningStack

FILES = {"model.keras": b"a model"}


def test_another_tenant_sees_nothing(stack: RunningStack, new_project: NewProject) -> None:
    project = new_project("mine")
    upload = project.upload("digits", FILES, "tensorflow")
    assert project.ended_upload("digits", upload)["state"] == "Registered"
    project.settled("digits", 1)
    stranger = stack.caller("globex")

    paths = (
        "",
        "/models/digits",
        "/models/digits/versions/1",
        f"/models/digits/uploads/{upload}",
        "/deployments/digits",
    )
    for path in paths:
        assert project.caller.call("GET", project.path(path)).status == HTTPStatus.OK
        answer = stranger.call("GET", project.path(path))
        assert answer.status == HTTPStatus.NOT_FOUND, path
        assert answer.body["code"] == "not_found"
    for path, body in (
        ("/models/digits/uploads", manifest_of(FILES, "tensorflow")),
        ("/models/digits/credentials", None),
        ("/deployments/digits/rollouts", {"version": 1}),
    ):
        answer = stranger.call("POST", project.path(path), body)
        assert answer.status == HTTPStatus.NOT_FOUND, path
    names = {item["name"] for item in stranger.get("/projects")["items"]}
    assert project.name not in names


def test_a_viewer_reads_and_changes_nothing(stack: RunningStack, new_project: NewProject) -> None:
    project = new_project("seen")
    viewer = stack.caller("acme", "viewer")

    assert viewer.get(project.path())["name"] == project.name
    opened = viewer.call("POST", project.path("/models/digits/uploads"), manifest_of(FILES))
    assert (opened.status, opened.body["code"]) == (HTTPStatus.FORBIDDEN, "policy_denied")
    assert project.uploads("digits") == []


@pytest.mark.parametrize("token", [None, "garbage", "a.b.c"])
def test_the_gateway_lets_nobody_in_without_a_valid_token(
    stack: RunningStack, token: str | None
) -> None:
    stranger = stack.stranger(token)

    for path in ("/projects", "/me"):
        assert stranger.call("GET", path).status == HTTPStatus.UNAUTHORIZED
    for path in ("/healthz", "/openapi.json", "/docs"):
        assert stranger.call("GET", path).status == HTTPStatus.OK


def test_a_token_that_was_tampered_with_is_refused(stack: RunningStack) -> None:
    header, payload, signature = str(stack.caller().token).split(".")
    middle = len(payload) // 2
    other = "A" if payload[middle] != "A" else "B"
    tampered = f"{header}.{payload[:middle]}{other}{payload[middle + 1 :]}.{signature}"

    assert stack.stranger(tampered).call("GET", "/me").status == HTTPStatus.UNAUTHORIZED
    assert stack.caller().get("/me")["tenant"]["tenant"] == "acme"
