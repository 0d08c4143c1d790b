"""ETag and If-Match: a change of something that has changed meanwhile is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from local.bench import entities
from local.bench.names import COMMANDS
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.deployments import put_deployments
from tests.functions.scenario import Scenario

Prepare = Callable[[Scenario], str]


def a_project(acme: Scenario) -> str:
    acme.call("POST", "/projects", {"name": "other"})
    return "/projects/other"


def a_version(acme: Scenario) -> str:
    acme.upload_version()
    return "/projects/vision/models/digits/versions/1"


def an_upload(acme: Scenario) -> str:
    upload = acme.open_upload()["upload"]["upload"]
    return f"/projects/vision/models/digits/uploads/{upload}"


def a_deployment(acme: Scenario) -> str:
    acme.upload_version()
    acme.serve(1)
    return "/projects/vision/deployments/digits"


changeable = pytest.mark.parametrize("prepare", [a_project, a_version, an_upload, a_deployment])


@changeable
def test_tag_of_another_state_refuses_the_change(
    call: Api, acme: Scenario, prepare: Prepare
) -> None:
    path = prepare(acme)
    before = call("GET", path)

    for tag in ('"99"', '"-1"', "garbage", '"abc"', "1", '""', '"1" or so'):
        refused = call("DELETE", path, headers={"If-Match": tag})
        assert (refused.status, refused.code) == (412, "precondition_failed"), tag

    assert call("GET", path).json == before.json


@changeable
@pytest.mark.parametrize("how", ["exact", "star", "absent", "weakened"])
def test_tag_of_the_present_state_lets_the_change_pass(
    call: Api, acme: Scenario, prepare: Prepare, how: str
) -> None:
    """A proxy that compresses weakens tags on the way; ours mean the item's version either way."""
    path = prepare(acme)
    tag = call("GET", path).etag
    headers = {"exact": {"If-Match": tag}, "star": {"If-Match": "*"}, "absent": {}}
    headers["weakened"] = {"If-Match": f"W/{tag}"}

    assert call("DELETE", path, headers=headers[how]).status in (200, 202, 204)


def test_tag_changes_with_the_resource(call: Api, acme: Scenario) -> None:
    before = call("GET", "/projects/vision").etag

    acme.upload_version()

    after = call("GET", "/projects/vision").etag
    assert before != after
    stale = call("DELETE", "/projects/vision", headers={"If-Match": before})
    assert stale.code == "precondition_failed"


def test_cancelled_upload_has_another_tag(call: Api, acme: Scenario) -> None:
    path = an_upload(acme)
    before = call("GET", path).etag

    call("DELETE", path)

    assert call("GET", path).etag != before


DEPLOYMENTS = "/projects/vision/deployments"
# A change of a deployment or its project, and what shows the tag of its present state.
CHANGES: list[tuple[str, str, Any, str]] = [
    (
        "PUT",
        f"{DEPLOYMENTS}/running/settings",
        {"autoscaling": {"max_replicas": 3}},
        f"{DEPLOYMENTS}/running/settings",
    ),
    (
        "PUT",
        "/projects/vision/serving-policy",
        {"auto_deploy": False},
        "/projects/vision/serving-policy",
    ),
    ("POST", f"{DEPLOYMENTS}/running/stop", None, f"{DEPLOYMENTS}/running"),
    ("POST", f"{DEPLOYMENTS}/stopped/resume", None, f"{DEPLOYMENTS}/stopped"),
    *(
        (
            "POST",
            f"{DEPLOYMENTS}/{command}/rollouts/{entities.ROLLOUT}/{command}",
            None,
            f"{DEPLOYMENTS}/{command}",
        )
        for command in COMMANDS
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "shown"), CHANGES, ids=[f"{c[0]} {c[1]}" for c in CHANGES]
)
def test_deployment_is_changed_in_the_state_that_the_tag_tells(
    call: Api, cloud: Cloud, acme: Scenario, method: str, path: str, body: Any, shown: str
) -> None:
    put_deployments(cloud)
    before = call("GET", shown)

    refused = call(method, path, body, headers={"If-Match": '"99"'})
    assert (refused.status, refused.code) == (412, "precondition_failed")
    assert call("GET", shown).etag == before.etag

    changed = call(method, path, body, headers={"If-Match": before.etag})
    assert changed.status in (200, 202), changed.body
    assert call("GET", shown).etag != before.etag
    again = call(method, path, body, headers={"If-Match": before.etag})
    assert again.code == "precondition_failed"


def test_precondition_on_what_is_not_there_is_not_found(call: Api, acme: Scenario) -> None:
    assert call("DELETE", "/projects/other", headers={"If-Match": '"1"'}).status == 404
