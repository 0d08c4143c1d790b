"""The sample events of events/samples, as AWS delivers them; tests fill in what is theirs."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "events" / "samples"
SCHEMAS = ROOT / "events" / "schemas"
Json = dict[str, Any]


def sample(name: str) -> Json:
    """A sample event of its own, free to be changed."""
    return deepcopy(_read(name))


def schema(event_type: str) -> Json:
    document: Json = json.loads((SCHEMAS / f"{event_type}.json").read_text())
    return document


def object_created(key: str, version_id: str | None, number: int) -> Json:
    """S3's event for an object; arrivals come one a minute, in the order of their numbers."""
    event = sample("s3_object_created")
    sequencer = f"{number:018X}"
    event["time"] = f"2026-03-02T09:{number:02}:07Z"
    stored = event["detail"]["object"]
    stored |= {"key": key, "sequencer": sequencer}
    del stored["version-id"]
    if version_id is not None:
        stored["version-id"] = version_id
    event["id"] = f"arrival-{number}"
    return event


def on_the_bus(stored: Json) -> Json:
    """An event out of an item (`event`) as a rule hands it to a state machine."""
    event = sample("model_version_registered")
    detail = json.loads(stored["detail"])
    return event | {
        "detail-type": stored["detail_type"],
        "source": stored["source"],
        "detail": detail,
    }


def execution_ended(name: str, execution: str, given: Json, status: str) -> Json:
    """Step Functions' status change of an execution that was started with the event `given`."""
    event = sample(name)
    event["detail"] |= {"executionArn": execution, "status": status, "input": json.dumps(given)}
    return event


@cache
def _read(name: str) -> Json:
    document: Json = json.loads((SAMPLES / f"{name}.json").read_text())
    return document
