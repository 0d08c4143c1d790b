"""X-Correlation-Id: in, out, in every log line and inside the events that the request causes."""

import json
import re

from tests.functions.api_calls import Api, Person, invoke
from tests.functions.cloud import Cloud
from tests.functions.container import Log
from tests.functions.samples import on_the_bus
from tests.functions.scenario import Scenario

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def test_correlation_id_goes_through_answer_event_and_log(
    call: Api, cloud: Cloud, log: Log
) -> None:
    chosen = {"X-Correlation-Id": "train-42:step.7"}

    created = call("POST", "/projects", {"name": "vision"}, headers=chosen)
    refused = call("POST", "/projects", {"name": "vision"}, headers=chosen)

    assert created.headers["x-correlation-id"] == "train-42:step.7"
    assert refused.headers["x-correlation-id"] == "train-42:step.7"
    stored = cloud.item("TENANT#acme", "PROJECT#vision")["event"]
    assert json.loads(stored["detail"])["metadata"]["correlation_id"] == "train-42:step.7"
    assert [line["correlation_id"] for line in log.lines] == ["train-42:step.7"]


def test_correlation_id_is_made_when_none_comes(call: Api) -> None:
    first, second = (call("GET", "/healthz").headers["x-correlation-id"] for _ in range(2))

    assert re.fullmatch(UUID, first)
    assert first != second


def test_correlation_id_that_is_none_is_replaced(call: Api) -> None:
    for bad in ("", "a b", "x" * 129, "line\nbreak", "ünïcode", "a;b"):
        answer = call("GET", "/healthz", headers={"X-Correlation-Id": bad})
        assert re.fullmatch(UUID, answer.headers["x-correlation-id"]), bad


def test_unknown_operations_answer_with_it_too(call: Api) -> None:
    answer = call.call_as(
        Person(), "GET", "/nowhere", headers={"X-Correlation-Id": "c"}, function="docs/api"
    )

    assert answer.headers["x-correlation-id"] == "c"


def test_correlation_does_not_leak_into_the_next_request(
    call: Api, acme: Scenario, log: Log
) -> None:
    call("GET", "/projects/nope", headers={"X-Correlation-Id": "first"})
    call.call_as(None, "GET", "/projects/nope")

    second = log.lines[-1]
    assert second["correlation_id"] != "first"
    assert "tenant_id" not in second


def test_tasks_carry_the_correlation_on_and_name_their_cause(
    call: Api, cloud: Cloud, acme: Scenario
) -> None:
    acme.upload_version()
    for content in (b"two",):
        acme.upload_version(content=content)
    acme.serve(1)
    asked = call(
        "POST",
        "/projects/vision/deployments/digits/rollouts",
        {"version": 2},
        headers={"X-Correlation-Id": "redeploy-1"},
    )
    event = on_the_bus(cloud.item(acme.partition, "DEPLOYMENT#digits")["event"])

    invoke("serving/open_rollout", {"event": event, "execution": "e"})

    started = json.loads(cloud.item(acme.partition, "DEPLOYMENT#digits")["event"]["detail"])
    assert started["metadata"]["type"] == "RolloutStarted"
    assert started["metadata"]["correlation_id"] == "redeploy-1"
    assert started["metadata"]["causation_id"] == event["detail"]["metadata"]["id"]
    assert asked.headers["x-correlation-id"] == "redeploy-1"
