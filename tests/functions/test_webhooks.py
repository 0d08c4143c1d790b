"""Webhooks as a tenant's people work with them: kept, changed, shown without what is secret."""

import json

import pytest

from controlplane.webhooks.model import MAX_WEBHOOKS
from local.bench.wire import Wire
from tests.functions.api_calls import Api
from tests.functions.cloud import Cloud
from tests.functions.container import Log
from tests.functions.webhooks import Hooks

URL = "https://hooks.example.com/headrace?token=hidden"


@pytest.fixture
def hooks(call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Hooks:
    return Hooks.create(call, cloud, monkeypatch)


def test_webhook_is_made_shown_changed_and_deleted(hooks: Hooks) -> None:
    hooks.create_project("vision")
    made = hooks.ask("POST", "/webhooks", {"name": "pager", "url": URL, "events": ["RolloutEnded"]})
    assert made.status == 201
    assert made.headers["location"] == "/api/v1/webhooks/pager"
    assert made.headers["cache-control"] == "no-store"

    shown = hooks.ask("GET", "/webhooks/pager")
    assert shown.json["events"] == ["RolloutEnded"]
    assert shown.etag == made.etag == '"1"'
    change = {"events": ["*", "RolloutEnded"], "enabled": False, "project": "vision"}
    changed = hooks.ask("PATCH", "/webhooks/pager", change, headers={"If-Match": '"1"'})
    assert changed.json["events"] == ["*"]
    assert changed.json["project"] == "vision"
    assert not changed.json["enabled"]
    assert hooks.ask("PATCH", "/webhooks/pager", {"project": None}).json["project"] is None
    stale = hooks.ask("PATCH", "/webhooks/pager", {"enabled": True}, headers={"If-Match": '"1"'})
    assert (stale.status, stale.code) == (412, "precondition_failed")
    assert hooks.ask("GET", "/webhooks").json["items"][0]["name"] == "pager"

    assert hooks.ask("DELETE", "/webhooks/pager").status == 204
    assert hooks.ask("GET", "/webhooks/pager").status == 404
    assert hooks.ask("GET", "/webhooks").json["items"] == []
    assert hooks.add(URL)["secret_generation"] == 1  # the name is free


def test_change_of_nothing_changes_nothing(hooks: Hooks) -> None:
    hooks.add(URL)
    assert hooks.ask("PATCH", "/webhooks/pager", {}).etag == '"1"'


def test_secret_is_shown_once_and_stored_nowhere(hooks: Hooks, log: Log) -> None:
    first = hooks.add(URL)["secret"]
    rotated = hooks.ask("POST", "/webhooks/pager/rotate-secret")
    second = rotated.json["secret"]

    assert rotated.headers["cache-control"] == "no-store"
    assert first.startswith("whsec_")
    assert first != second
    assert rotated.json["secret_generation"] == 2
    assert rotated.json["old_secret_until"]
    everything = json.dumps(hooks.cloud.items(), default=str)
    for answer in (hooks.ask("GET", "/webhooks/pager"), hooks.ask("GET", "/webhooks")):
        everything += answer.body
    for secret in (first, second):
        assert secret.removeprefix("whsec_") not in everything + log.text


def test_query_of_the_url_is_neither_shown_again_nor_logged(hooks: Hooks, log: Log) -> None:
    made = hooks.add(URL)
    shown = hooks.ask("GET", "/webhooks/pager", role="viewer").body

    assert made["url"] == "https://hooks.example.com/headrace?…"
    assert "hidden" not in shown + log.text
    assert "hidden" not in json.dumps(hooks.cloud.stored_events())


def test_repeat_of_a_creation_tells_that_the_secret_was_shown(hooks: Hooks) -> None:
    body, key = {"name": "pager", "url": URL}, {"Idempotency-Key": "once"}
    assert hooks.ask("POST", "/webhooks", body, headers=key).status == 201

    again = hooks.ask("POST", "/webhooks", body, headers=key)
    other = hooks.ask("POST", "/webhooks", body | {"description": "x"}, headers=key)

    assert (again.status, again.code) == (409, "secret_shown_once")
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    taken = hooks.ask("POST", "/webhooks", body)
    assert (taken.status, taken.code) == (409, "already_exists")


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one-more"}])
def test_tenant_has_at_most_twenty(hooks: Hooks, headers: dict[str, str]) -> None:
    for number in range(MAX_WEBHOOKS):
        hooks.add(URL, f"n{number}")
    body = {"name": "one-more", "url": URL}

    refused = hooks.ask("POST", "/webhooks", body, headers=headers)

    assert (refused.status, refused.code) == (422, "limit_exceeded")
    assert "Delete one" in refused.json["remedy"]
    hooks.ask("DELETE", "/webhooks/n3")
    assert hooks.ask("POST", "/webhooks", body, headers=headers).status == 201


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.example.com", "refused_target"),
        ("https://169.254.169.254/latest", "refused_target"),
        ("https://[fd00:ec2::254]/", "refused_target"),
        ("https://user:word@hooks.example.com", "refused_target"),
        ("https://hooks.example.com:22", "refused_target"),
    ],
)
def test_target_that_must_not_be_is_refused_with_a_remedy(
    hooks: Hooks, url: str, code: str
) -> None:
    made = hooks.ask("POST", "/webhooks", {"name": "pager", "url": url})
    hooks.add(URL)
    changed = hooks.ask("PATCH", "/webhooks/pager", {"url": url})

    for refused in (made, changed):
        assert (refused.status, refused.code) == (422, code)
        assert refused.json["remedy"]


def test_loopback_is_allowed_by_a_setting_alone(
    call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEBHOOKS_ALLOW_LOOPBACK", raising=False)
    body = {"name": "pager", "url": "http://127.0.0.1:8080/hook"}
    refused = call("POST", "/webhooks", body, role="tenant-admin")
    assert refused.code == "refused_target"

    allowing = Hooks.create(call, cloud, monkeypatch)
    assert allowing.ask("POST", "/webhooks", body).status == 201


def test_unknown_event_is_refused_with_the_likely_one(hooks: Hooks) -> None:
    refused = hooks.ask("POST", "/webhooks", {"name": "p", "url": URL, "events": ["RolloutEnd"]})

    assert refused.code == "invalid_request"
    assert "RolloutEnded" in refused.json["remedy"]


def test_project_that_is_not_there_is_refused(hooks: Hooks) -> None:
    """Nothing would ever be told of it, and nobody would know why."""
    hooks.add(URL)
    hooks.create_project("gone")
    assert hooks.ask("DELETE", "/projects/gone").status == 204
    for project in ("visoin", "gone"):
        body = {"name": "other", "url": URL, "project": project}
        made = hooks.ask("POST", "/webhooks", body, headers={"Idempotency-Key": project})
        changed = hooks.ask("PATCH", "/webhooks/pager", {"project": project})
        for refused in (made, changed):
            assert (refused.status, refused.code) == (422, "invalid_request")
            assert project in refused.json["detail"]
            assert refused.json["remedy"]
    assert hooks.ask("PATCH", "/webhooks/none", {"project": "visoin"}).status == 404
    assert hooks.ask("GET", "/webhooks").json["items"] == [hooks.ask("GET", "/webhooks/pager").json]


def test_project_is_looked_for_by_the_read_that_is_made_anyway(hooks: Hooks, wire: Wire) -> None:
    hooks.create_project("vision")
    for method, path, body in (
        ("POST", "/webhooks", {"name": "pager", "url": URL, "project": "vision"}),
        ("PATCH", "/webhooks/pager", {"project": "vision"}),
    ):
        with wire.recording() as made:
            assert hooks.ask(method, path, body).status < 300
        asked = [call.name for call in made if call.service != "secretsmanager"]
        assert asked == ["BatchGetItem", "TransactWriteItems"]


def test_others_read_and_do_not_write(hooks: Hooks) -> None:
    hooks.add(URL)
    for role in ("developer", "viewer"):
        assert hooks.ask("GET", "/webhooks", role=role).status == 200
        assert hooks.ask("GET", "/webhooks/pager", role=role).status == 200
        for method, path in (
            ("POST", "/webhooks/pager/rotate-secret"),
            ("POST", "/webhooks/pager/test"),
            ("DELETE", "/webhooks/pager"),
        ):
            assert hooks.ask(method, path, role=role).status == 403


def test_first_webhooks_of_a_tenant_may_be_made_at_the_same_time(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that finds the other's routes is told to repeat, and nothing is lost of the first."""
    from controlplane.adapters.dynamodb_webhooks import DynamoDBWebhooks  # noqa: PLC0415
    from controlplane.webhooks.ports import Routes  # noqa: PLC0415

    hooks.add(URL, "first")
    with monkeypatch.context() as patched:
        patched.setattr(DynamoDBWebhooks, "routes", lambda *_: Routes())
        late = hooks.ask("POST", "/webhooks", {"name": "second", "url": URL})
    assert (late.status, late.code) == (409, "request_in_flight")

    hooks.add(URL, "second")
    assert set(hooks.cloud.item("TENANT#acme", "WEBHOOKS")["routes"]) == {"first", "second"}
