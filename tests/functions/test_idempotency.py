"""Idempotency-Key: a repeat answers as the first request did, and changes nothing."""

import json
import os
import subprocess
import sys
import threading
from datetime import timedelta

from local.bench.wire import Call, Wire
from tests.functions.api_calls import Answer, Api
from tests.functions.cloud import Cloud
from tests.functions.container import SetClock
from tests.functions.deployments import put_deployments
from tests.functions.samples import ROOT
from tests.functions.scenario import FILES, Scenario, manifest_of

KEY = {"Idempotency-Key": "9f1b-key"}
UPLOADS = "/projects/vision/models/digits/uploads"
# One Lambda container of its own: Powertools keeps the request in the class, so threads would share it.
CONTAINER = """
import json, sys
from tests.functions.api_calls import Api
answer = Api()("POST", "/projects", {"name": "vision"}, headers={"Idempotency-Key": "one"})
print(json.dumps([answer.status, answer.json, answer.headers["etag"]]))
"""


def test_repeat_gets_the_first_answer(call: Api, cloud: Cloud) -> None:
    first = call("POST", "/projects", {"name": "vision"}, headers=KEY)
    second = call("POST", "/projects", {"name": "vision"}, headers=KEY)

    def said(answer: Answer) -> tuple[object, ...]:
        return answer.status, answer.json, answer.etag, answer.headers["location"]

    assert said(first) == said(second)
    assert first.status == 201
    assert len(cloud.stored_events()) == 1


def test_repeat_after_a_change_still_gets_the_first_answer(call: Api, acme: Scenario) -> None:
    first = call("POST", "/projects", {"name": "other"}, headers=KEY)
    call("DELETE", "/projects/other")

    second = call("POST", "/projects", {"name": "other"}, headers=KEY)

    assert (second.status, second.json) == (201, first.json)
    assert call("GET", "/projects/other").status == 404


def test_same_key_with_another_body_is_refused(call: Api) -> None:
    call("POST", "/projects", {"name": "vision"}, headers=KEY)

    for other in ({"name": "hearing"}, {"name": "vision", "description": "another"}):
        refused = call("POST", "/projects", other, headers=KEY)
        assert (refused.status, refused.code) == (422, "idempotency_key_reused")
    assert [p["name"] for p in call("GET", "/projects").json["items"]] == ["vision"]


def test_body_written_differently_is_the_same_body(call: Api) -> None:
    call("POST", "/projects", '{"name":"vision","description":"d"}', headers=KEY)

    again = call("POST", "/projects", '{ "description": "d", "name": "vision" }', headers=KEY)

    assert again.status == 201


def test_key_of_another_tenant_person_or_operation_is_another_key(
    call: Api, acme: Scenario, cloud: Cloud
) -> None:
    Scenario(call, cloud, tenant="globex").create_project()
    first = call("POST", UPLOADS, manifest_of(FILES), headers=KEY).json["upload"]["upload"]

    others = [
        call("POST", UPLOADS, manifest_of(FILES), headers=KEY, tenant="globex"),
        call("POST", UPLOADS, manifest_of(FILES), headers=KEY, subject="somebody-else"),
        call("POST", UPLOADS.replace("digits", "letters"), manifest_of(FILES), headers=KEY),
    ]

    assert {other.status for other in others} == {201}
    assert len({first, *(other.json["upload"]["upload"] for other in others)}) == 4
    assert call("POST", "/projects", {"name": "other"}, headers=KEY).status == 201


def test_key_is_forgotten_after_a_day(
    call: Api, acme: Scenario, later: SetClock, cloud: Cloud
) -> None:
    first = call("POST", UPLOADS, manifest_of(FILES), headers=KEY).json["upload"]["upload"]

    later(timedelta(hours=23, minutes=59))
    assert call("POST", UPLOADS, manifest_of(FILES), headers=KEY).json["upload"]["upload"] == first
    later(timedelta(hours=24, minutes=1))

    second = call("POST", UPLOADS, manifest_of(FILES), headers=KEY)
    assert (second.status, second.json["upload"]["upload"] != first) == (201, True)
    assert all(i["expires_at"] for i in cloud.items() if i["sk"].startswith("IDEMPOTENCY#"))


def test_key_that_is_no_key_is_refused(call: Api, cloud: Cloud) -> None:
    for key in ("", "k" * 256, "two words", "naïve", "tab\tkey"):
        refused = call("POST", "/projects", {"name": "vision"}, headers={"Idempotency-Key": key})
        assert (refused.status, refused.code) == (422, "invalid_request"), key
        assert refused.json["remedy"]
    assert call("GET", "/projects").json["items"] == []


def test_key_of_255_characters_is_taken(call: Api) -> None:
    longest = {"Idempotency-Key": "k" * 255}

    assert call("POST", "/projects", {"name": "vision"}, headers=longest).status == 201


def test_key_itself_is_not_stored(call: Api, cloud: Cloud) -> None:
    call("POST", "/projects", {"name": "vision"}, headers=KEY)

    assert KEY["Idempotency-Key"] not in str(cloud.items())


def test_request_that_was_refused_leaves_its_key_free(call: Api, acme: Scenario) -> None:
    refused = call("POST", "/projects", {"name": "vision"}, headers=KEY)
    assert (refused.status, refused.code) == (409, "already_exists")

    assert call("POST", "/projects", {"name": "hearing"}, headers=KEY).status == 201


def test_repeated_deployment_is_made_once(call: Api, acme: Scenario) -> None:
    path, body = "/projects/vision/deployments", {"name": "digits", "model": "digits"}
    first, again = (call("POST", path, body, headers=KEY) for _ in range(2))

    assert (first.status, again.status) == (201, 201)
    assert (first.json, first.etag) == (again.json, again.etag)
    assert len(call("GET", path).json["items"]) == 1
    assert call("POST", path, body).code == "already_exists"
    other = call("POST", path, body | {"model": "letters"}, headers=KEY)
    assert (other.status, other.code) == (422, "idempotency_key_reused")


def test_repeated_return_to_the_revision_before_is_one_rollout(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    put_deployments(cloud)
    path = "/projects/vision/deployments/warm"
    first, again = (call("POST", f"{path}/rollback", headers=KEY) for _ in range(2))

    assert (first.status, again.status) == (202, 202)
    assert first.json == again.json
    [rollout] = call("GET", f"{path}/rollouts").json["items"]
    assert rollout["rollout"] == first.json["rollout"]
    other = call("POST", f"{path}/rollouts", {"version": 1}, headers=KEY)
    assert (other.status, other.json["rollout"] != first.json["rollout"]) == (202, True)


def test_concurrent_first_requests_make_one_resource(cloud: Cloud, wire: Wire) -> None:
    """Two containers write at the same moment; both answer with the one project that came to be."""
    both_write = threading.Barrier(2, timeout=20)

    def hold(made: Call) -> None:
        if made.action == "TransactWriteItems":
            both_write.wait()

    wire.before = hold
    paths = os.pathsep.join((str(ROOT / "layers/controlplane/python"), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": paths, "AWS_ENDPOINT_URL": wire.url}
    containers = [
        subprocess.Popen(
            [sys.executable, "-c", CONTAINER],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [container.communicate(timeout=30)[0] for container in containers]

    first, second = (json.loads(output.splitlines()[-1]) for output in outputs)
    assert first == second
    assert first[0] == 201
    assert wire.names().count("TransactWriteItems") == 2
    changed = [r["dynamodb"]["Keys"]["sk"]["S"] for r in cloud.stream_records()["Records"]]
    assert changed.count("PROJECT#vision") == 1
