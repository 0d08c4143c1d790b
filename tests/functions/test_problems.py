"""Refusals: problem details with stable codes, and nothing in them that should not be there."""

import json

import pytest

from local.bench.wire import Wire
from tests.functions.api_calls import Api, Person
from tests.functions.cloud import Cloud
from tests.functions.container import Log, forget_wiring
from tests.functions.samples import Json
from tests.functions.scenario import FILES, Scenario, manifest_of


def test_problem_has_the_shape_of_rfc_9457(call: Api) -> None:
    refused = call("GET", "/projects/nope")

    assert refused.status == 404
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "there is no project nope",
    }


def test_problem_that_a_person_can_act_on_says_how(call: Api, acme: Scenario) -> None:
    refused = call("POST", "/projects", {"name": "vision"})

    assert refused.json["remedy"] == "Choose another name."


@pytest.mark.parametrize(
    ("path", "body", "secret"),
    [
        ("/projects", {"name": "A-secret!"}, "A-secret!"),
        ("/projects", {"name": "a", "description": ["a-secret"]}, "a-secret"),
        ("/projects", "{a-secret", "a-secret"),
        ("/projects", ["a-secret"], "a-secret"),
        ("/projects/vision/models/m/uploads", manifest_of(FILES, "a-secret"), "a-secret"),
        ("/projects/vision/models/m/uploads", {"format": {"a": "a-secret"}}, "a-secret"),
        ("/projects/vision/deployments/d/rollouts", {"version": "a-secret"}, "a-secret"),
    ],
)
def test_faulty_fields_are_named_and_their_values_not_repeated(
    call: Api, log: Log, path: str, body: Json | list[str] | str, secret: str
) -> None:
    refused = call("POST", path, body)

    assert (refused.status, refused.code) == (422, "invalid_request")
    assert refused.json["errors"]
    assert all(fault.keys() == {"field", "problem"} for fault in refused.json["errors"])
    assert all(fault["field"].startswith("body") for fault in refused.json["errors"])
    assert secret not in refused.body
    assert secret not in log.text


def test_body_missing_names_the_body(call: Api) -> None:
    refused = call("POST", "/projects")

    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "body")


def test_body_may_come_encoded(call: Api) -> None:
    """API Gateway encodes bodies whose content type it takes for binary."""
    assert call("POST", "/projects", json.dumps({"name": "vision"}).encode()).status == 201


def test_unknown_operation_is_not_found(call: Api) -> None:
    refused = call.call_as(Person(), "GET", "/nowhere", function="projects/api")

    assert (refused.status, refused.code) == (404, "not_found")
    assert refused.headers["content-type"] == "application/problem+json"


def test_method_that_a_path_does_not_have_is_refused_as_a_problem(call: Api) -> None:
    refused = call.call_as(Person(), "PATCH", "/projects/vision", {}, function="projects/api")

    assert refused.status in (404, 405)
    assert refused.headers["content-type"] == "application/problem+json"


def test_unexpected_failure_tells_the_caller_nothing_and_the_log_everything(
    call: Api, cloud: Cloud, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TABLE_NAME", "a-table-that-is-not-there")
    forget_wiring()

    failed = call("GET", "/projects/vision", headers={"X-Correlation-Id": "c-1"})

    assert (failed.status, failed.code) == (500, "internal_error")
    assert failed.headers["content-type"] == "application/problem+json"
    assert failed.headers["x-correlation-id"] == "c-1"
    assert failed.json["detail"] == "something went wrong on our side"
    assert "X-Correlation-Id" in failed.json["remedy"]
    assert "ResourceNotFound" not in failed.body
    [line] = [line for line in log.lines if line["level"] == "ERROR"]
    assert line["correlation_id"] == "c-1"
    assert "ResourceNotFoundException" in line["exception"]


def test_table_that_does_not_answer_is_unavailable(
    call: Api, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = (500, {"__type": "com.amazonaws.dynamodb#InternalServerError"})
    wire.before = lambda made: fault if made.service == "dynamodb" else None

    refused = call("GET", "/projects/vision")

    assert (refused.status, refused.code) == (503, "unavailable")
    assert refused.headers["retry-after"] == "5"


def test_table_that_is_throttled_asks_to_come_back(call: Api, wire: Wire) -> None:
    code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
    fault = (400, {"__type": code, "message": "slow down"})
    wire.before = lambda made: fault if made.service == "dynamodb" else None

    refused = call("GET", "/projects/vision")

    assert (refused.status, refused.code) == (429, "throttled")
    assert refused.headers["retry-after"] == "1"


def test_every_refusal_is_logged_with_its_code_and_correlation(call: Api, log: Log) -> None:
    call("GET", "/projects/nope", headers={"X-Correlation-Id": "c-2"})

    [line] = log.lines
    assert (line["error_code"], line["correlation_id"]) == ("not_found", "c-2")
    assert line["tenant_id"] == "acme"
