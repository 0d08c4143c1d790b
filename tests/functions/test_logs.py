"""What must never be logged: tokens, secrets, signatures, bodies. Looked for in all that a busy life logs."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from local.bench.wire import Wire
from tests.functions.api_calls import Api, Person, invoke, operations
from tests.functions.cloud import ACCESS, Cloud
from tests.functions.container import Log, forget_wiring
from tests.functions.examples import body_of, path_of
from tests.functions.samples import Json, sample
from tests.functions.scenario import FILES, MODEL_BYTES, Scenario, manifest_of

BODY = "what-a-caller-wrote"
KEY = "an-idempotency-key-of-a-caller"
BODIES: dict[str, Json] = {
    "POST /projects": {"name": "another", "description": BODY},
    "POST /projects/{project}/models/{model}/uploads": manifest_of(FILES)
    | {"framework_version": BODY},
    "POST /projects/{project}/deployments/{deployment}/rollouts": {"version": 2},
}
SECRETS = ("secret_access_key", "session_token", "api_key", "access_token")
PEOPLE = [
    Person("acme", "developer"),
    Person("acme", "tenant-admin"),
    Person("acme", "viewer"),
    Person("globex", "tenant-admin"),
    Person(None, "platform-admin"),
    Person(None, "developer"),
    None,
]


@dataclass(frozen=True)
class Everything:
    """All that was written anywhere while a test ran."""

    log: Log
    caplog: pytest.LogCaptureFixture
    capfd: pytest.CaptureFixture[str]

    def text(self) -> str:
        out, err = self.capfd.readouterr()
        return "\n".join((self.log.text, self.caplog.text, out, err))


@pytest.fixture
def everything(
    log: Log, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Iterator[Everything]:
    """With every library's log at the level that Lambda would show."""
    with caplog.at_level(logging.INFO):
        yield Everything(log, caplog, capfd)


def secrets_of(call: Api) -> set[str]:
    """What the answers gave to callers alone, and what came with the requests and the environment."""
    found = {
        ACCESS["AWS_SECRET_ACCESS_KEY"],
        ACCESS["AWS_SESSION_TOKEN"],
        sample("api_gateway_request")["headers"]["authorization"].removeprefix("Bearer "),
        "a-secret-for-cursors",
        BODY,
        KEY,
    }
    for answer in call.answers:
        content = json.loads(answer.body) if answer.body.startswith("{") else {}
        found |= {content[k] for k in SECRETS if k in content}
        for put in [*content.get("files", []), content.get("manifest")]:
            if isinstance(put, dict) and "url" in put:
                found |= set(parse_qs(urlsplit(put["url"]).query)["X-Amz-Signature"])
        if isinstance(content.get("next"), str):
            found.add(content["next"])
    return found


def everybody_tries_everything(call: Api, names: dict[str, str]) -> None:
    order = {"GET": 0, "POST": 1, "PUT": 2, "PATCH": 2, "DELETE": 3}
    listed = [o for o in operations() if "docs" not in o.path]
    for operation in sorted(listed, key=lambda o: order[o.method]):
        for person in PEOPLE:
            call.call_as(
                person,
                operation.method,
                path_of(operation, **names) + ("?limit=1" if operation.is_listing else ""),
                BODIES.get(operation.name) or body_of(operation),
                {"Idempotency-Key": KEY, "X-Tenant-Id": "acme", "If-Match": '"1"'},
            )


def test_no_secret_is_logged_whoever_does_whatever(
    call: Api, acme: Scenario, everything: Everything
) -> None:
    for content in (b"one", b"two"):
        acme.upload_version(content=content)
    call("POST", "/projects", {"name": "second"})
    names = {
        "project": "vision",
        "model": "digits",
        "version": "1",
        "deployment": "digits",
        "rollout": acme.serve(1)["rollout_id"],
        "upload": acme.open_upload()["upload"]["upload"],
    }

    everybody_tries_everything(call, names)
    for body in (f'{{"{BODY}', {"name": BODY}, {BODY: BODY}, [BODY]):
        call("POST", "/projects", body, headers={"Idempotency-Key": f"{KEY} two words"})

    text, secrets = everything.text(), secrets_of(call)
    assert len(secrets) >= 11
    assert "request refused" in text
    assert "platform administrator works on a tenant" in text
    assert [secret for secret in secrets if secret in text] == []


def test_no_secret_is_logged_by_tasks_that_fail(acme: Scenario, everything: Everything) -> None:
    bad = acme.arrival("models/acme/vision/Bad/model.joblib")
    acme.register(bad)
    rollout = {
        "correlation_id": "c",
        "tenant_id": "acme",
        "project": "vision",
        "deployment": "digits",
        "rollout_id": "r-00000000",
        "execution": "e",
        "error": "ClusterRefusedError",
        "cause": "{}",
    }
    with pytest.raises(Exception, match="not carried out"):
        invoke("serving/fail_rollout", rollout)

    text = everything.text()
    assert "task refused" in text
    assert MODEL_BYTES.decode() not in text
    assert [v for k, v in ACCESS.items() if "SECRET" in k or "TOKEN" in k if v in text] == []


@pytest.mark.parametrize("name", ["TABLE_NAME", "CURSOR_SECRET_ARN"])
def test_missing_setting_is_named_without_the_rest_of_the_environment(
    call: Api,
    cloud: Cloud,
    everything: Everything,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.delenv(name)
    # Whatever part of the environment a message might show.
    for number in range(40):
        monkeypatch.setenv(f"{'AZ'[number % 2]}_SECRET_{number}", "not-to-be-shown")
    forget_wiring()

    failed = call("GET", "/projects?cursor=abcd")

    assert failed.code == "internal_error"
    text = everything.text()
    assert name in text
    assert "input_value" not in text
    assert "not-to-be-shown" not in text


def test_unexpected_failure_logs_no_body(
    call: Api, cloud: Cloud, wire: Wire, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TABLE_NAME", "a-table-that-is-not-there")
    forget_wiring()

    failed = call(
        "POST",
        "/projects",
        {"name": "vision", "description": BODY},
        headers={"Idempotency-Key": KEY},
    )

    assert failed.status == 500
    text = everything.text()
    assert "request failed" in text
    assert [secret for secret in secrets_of(call) if secret in text] == []
