"""From the last presigned PUT on there are only events: a version is registered, rolled out and answers."""

import json
from collections import Counter
from http import HTTPStatus
from pathlib import Path

import jsonschema
import pytest
import requests

from local.demo.prediction import predict_v1, predict_v2
from local.demo.traffic import LiveTraffic
from local.demo.training import TrainedModel, Training
from tests.stack.caller import Json
from tests.stack.fixtures import NewProject
from tests.stack.project import ONE_FILE, Project, manifest_of, send
from tests.stack.running import RunningStack
from tests.waiting import eventually

SCHEMAS = Path(__file__).parents[2] / "events" / "schemas"


def assert_answers(deployment: Json, training: Training, model: TrainedModel) -> None:
    """Both protocols answer every held-out row as the model itself does."""
    with requests.Session() as session:
        by_v1 = predict_v1(session, deployment["endpoints"]["v1"], training.rows)
        by_v2 = predict_v2(session, deployment["endpoints"]["v2"], training.rows)
    assert by_v1 == model.predictions
    assert by_v2 == model.predictions


def telling_traffic(url: str, training: Training) -> LiveTraffic:
    """Callers who ask only what the two models answer differently: every answer tells its model."""
    first, second = training.first.predictions, training.second.predictions
    telling = [i for i in range(len(training.rows)) if first[i] != second[i]]
    answers = {"first": [first[i] for i in telling], "second": [second[i] for i in telling]}
    return LiveTraffic(url, [training.rows[i] for i in telling], answers)


def test_a_model_is_served_and_replaced_without_a_failed_request(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("vision")

    first = project.serve("digits", training.first.file.read_bytes())
    assert first["stable"] == first["stable"] | {"version": 1, "traffic_percent": 100}
    assert_answers(first, training, training.first)

    with telling_traffic(first["endpoints"]["v2"], training) as traffic:
        second = project.serve("digits", training.second.file.read_bytes())
        before = traffic.answers.count
        eventually(lambda: traffic.answers.count > before + 20, "callers to meet version 2")
        project.wait_until_gone("digits", 1)

    assert traffic.answers.failures == []
    assert set(traffic.answers.by_model) == {"first", "second"}
    assert second["stable"]["version"] == 2
    assert second["endpoints"] == first["endpoints"]
    assert_answers(second, training, training.second)
    assert project.version("digits", 1)["served_by"] == []
    assert project.version("digits", 2)["served_by"] == ["digits"]
    _assert_told(stack, project)


def _assert_told(stack: RunningStack, project: Project) -> None:
    """The bus carried each fact once, in its schema, and each chain under one correlation."""
    events = eventually(
        lambda: _events_until(stack, project, "RevisionRetired"),
        "the revision's retirement to be announced",
    )
    for event in events:
        schema = json.loads((SCHEMAS / f"{event['detail-type']}.json").read_text())
        jsonschema.validate(event["detail"], schema)
        metadata = event["detail"]["metadata"]
        assert metadata["tenant_id"] == "acme"
        assert metadata["source"] == event["source"] == schema["x-event-source"]
        assert metadata["type"] == event["detail-type"]
    identifiers = [event["detail"]["metadata"]["id"] for event in events]
    assert len(set(identifiers)) == len(identifiers)

    chains = [_arrival_of(stack, project, version) for version in (1, 2)]
    told = {
        chain: Counter(
            event["detail-type"]
            for event in events
            if event["detail"]["metadata"]["correlation_id"] == chain
        )
        for chain in chains
    }
    rolled_out = {
        "ModelVersionRegistered": 1,
        "RolloutStarted": 1,
        "RolloutEnded": 1,
        "AliasesMoved": 1,  # the champion follows the promotion
    }
    assert told[chains[0]] == rolled_out
    assert told[chains[1]] == {**rolled_out, "RevisionRetired": 1}
    # Requests are chains of their own: the project was created, and two uploads were opened.
    assert sum(sum(chain.values()) for chain in told.values()) + 3 == len(events)

    by_type = {event["detail-type"]: event["detail"]["metadata"] for event in events}
    registered, started = by_type["ModelVersionRegistered"], by_type["RolloutStarted"]
    assert registered["causation_id"] == chains[1]
    assert started["causation_id"] == registered["id"]


def _events_until(stack: RunningStack, project: Project, last: str) -> list[Json]:
    events = stack.events.of_project(project.name)
    return events if any(event["detail-type"] == last for event in events) else []


def _arrival_of(stack: RunningStack, project: Project, version: int) -> str:
    """The identifier of the S3 event that made the version."""
    key = project.version("digits", version)["source"]["key"]
    _, event = stack.executions("VersionRegistration").started_by_key(key)
    return str(event["id"])


def test_a_file_copied_to_the_models_prefix_is_served(
    training: Training, new_project: NewProject
) -> None:
    project = new_project("copied")
    inbox = project.inbox("digits")
    assert inbox.prefix == f"models/acme/{project.name}/digits/"

    inbox.client.upload_file(str(training.second.file), inbox.bucket, inbox.key(ONE_FILE))

    (upload,) = project.ended_uploads("digits", 1)
    assert (upload["state"], upload["origin"], upload["version"]) == ("Registered", "file", 1)
    version = project.version("digits", 1)
    (wanted,) = manifest_of({ONE_FILE: training.second.file.read_bytes()})["files"]
    assert version["format"] == "sklearn"
    assert version["files"] == [wanted]
    assert version["size"] == wanted["size"]
    assert version["uri"].endswith(f"/registry/tenant-acme/{project.name}/digits/1")
    deployment = project.settled("digits", 1)
    assert deployment["status"] == "Ready"
    assert_answers(deployment, training, training.second)


@pytest.mark.parametrize("wrong", ["content", "length"])
def test_a_presigned_url_takes_nothing_but_the_file_it_was_signed_for(
    new_project: NewProject, wrong: str
) -> None:
    project = new_project("signed")
    content = b"what was announced"
    ticket = project.open_upload("digits", manifest_of({ONE_FILE: content}))
    (put,) = ticket["files"]
    other = b"WHAT WAS ANNOUNCED" if wrong == "content" else content + b"!"

    assert send(put, other) in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)
    assert send(put, content) == HTTPStatus.OK
    upload = ticket["upload"]["upload"]
    assert send(ticket["manifest"], ticket["manifest"]["content"].encode()) == HTTPStatus.OK
    assert project.ended_upload("digits", upload)["state"] == "Registered"
