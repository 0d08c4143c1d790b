"""Writes the contracts that others rely on, from the code: the OpenAPI document, the event schemas, who may do what.

python -m tools.generate_contracts           write them
python -m tools.generate_contracts --check   fail if what is checked in differs
"""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from controlplane.events import METADATA_FIELDS, DomainEvent
from tools.policy_table import with_table

ROOT = Path(__file__).parents[1]
LAYER = ROOT / "layers/controlplane/python"
OPENAPI = Path("functions/docs/openapi.json")
SCHEMAS = Path("events/schemas")
EVENT_TYPES = Path("functions/webhooks/event_types.json")
POLICIES = Path("docs/policies.md")
# Whose events webhooks may be told of.
TOLD_CAPABILITIES = ("registry", "serving")
DESCRIPTION = """Headrace is a multi-tenant MLOps control plane.

Answers that Headrace itself refuses are problem details (RFC 9457) with a stable `code` and, where a person can act,
a `remedy`. The gateway's own refusals (401, 403, 413, 429, 503) are `{"message": "…"}`.
Every answer carries `X-Correlation-Id`; send one to choose it. Creating requests take an `Idempotency-Key`.
"""


class Problem(BaseModel):
    """RFC 9457 problem details with a stable code.

    A refusal by policy (`policy_denied`) has a `reason`, and for administrators the ids of the deciding `policies`.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str | None = None
    reason: str | None = None
    policies: list[str] | None = None
    errors: list[dict[str, str]] | None = None


def main() -> int:
    wanted = dict(_contracts())
    if "--check" not in sys.argv[1:]:
        for path, content in wanted.items():
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(content)
        return 0
    stale = differing(wanted)
    for path in stale:
        sys.stderr.write(f"{path} is not what the code says: run make contracts\n")
    return 1 if stale else 0


def differing(wanted: dict[Path, str]) -> list[Path]:
    """The files that are missing, differ, or are left over from an event that is no more."""
    stale = [
        p for p, c in wanted.items() if not (ROOT / p).is_file() or (ROOT / p).read_text() != c
    ]
    present = {path.relative_to(ROOT) for path in (ROOT / SCHEMAS).glob("*.json")}
    return stale + sorted(present - set(wanted))


def _contracts() -> Iterator[tuple[Path, str]]:
    document = openapi()
    yield OPENAPI, _text(document)
    operations = [
        o["operationId"] for methods in document["paths"].values() for o in methods.values()
    ]
    yield POLICIES, with_table((ROOT / POLICIES).read_text(), operations)
    yield EVENT_TYPES, json.dumps(told_events(), indent=2) + "\n"
    for event in event_types():
        yield SCHEMAS / f"{event.__name__}.json", _text(event_schema(event))


def api_entries() -> list[str]:
    """The functions that answer HTTP requests: `<capability>/api` and `<capability>/<more>_api`."""
    found = (ROOT / "functions").glob("*/*api.py")
    return sorted(f"{path.parent.name}/{path.stem}" for path in found)


def _models() -> list[ModuleType]:
    """The module `model` of every capability, and those that hold nothing but events."""
    modules = LAYER / "controlplane"
    found = sorted([*modules.glob("*/model.py"), *modules.glob("*/*_events.py")])
    return [
        importlib.import_module(f"controlplane.{path.parent.name}.{path.stem}") for path in found
    ]


def event_types() -> list[type[DomainEvent]]:
    """Every event that reaches the bus, by name; classes that others only derive from are left out."""
    found = {
        value
        for module in _models()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DomainEvent) and not value.__subclasses__()
    }
    return sorted(found - {DomainEvent}, key=lambda event: event.__name__)


def told_events() -> list[str]:
    """The names of the events that a webhook may be told of."""
    return [event.__name__ for event in event_types() if event.capability in TOLD_CAPABILITIES]


def event_schema(event: type[DomainEvent]) -> dict[str, Any]:
    """JSON Schema of an event's `detail` on the bus."""
    data = event.model_json_schema(mode="serialization")
    definitions = data.pop("$defs", {})
    for field in METADATA_FIELDS:
        data["properties"].pop(field)
    data["required"] = sorted(data["properties"])
    metadata = {
        name: {"type": "string"}
        for name in ("specversion", "id", "source", "type", "time", "subject", "dataschema")
    } | {name: {"type": "string"} for name in ("tenant_id", "actor", "correlation_id")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"events/schemas/{event.__name__}.json",
        "title": event.__name__,
        "description": (event.__doc__ or "").strip(),
        "x-event-source": f"headrace.{event.capability}",
        "type": "object",
        "properties": {
            "metadata": {
                "type": "object",
                "properties": metadata | {"causation_id": {"type": ["string", "null"]}},
                "required": sorted(metadata),
            },
            "data": data,
        },
        "required": ["metadata", "data"],
        "$defs": definitions,
    }


def openapi() -> dict[str, Any]:
    """One document of all API functions; each operation names the function that answers it."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": Problem.model_json_schema()}
    for entry in api_entries():
        part = _part(entry)
        schemas |= {
            name: schema
            for name, schema in part.get("components", {}).get("schemas", {}).items()
            if "ValidationError" not in name
        }
        for path, operations in part["paths"].items():
            merged = paths.setdefault(path, {})
            merged |= {m: _operation(o, entry, m) for m, o in operations.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headrace", "version": "0.1.0", "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "cognito": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
        "security": [{"cognito": []}],
    }


def _part(entry: str) -> dict[str, Any]:
    module = importlib.import_module("functions." + entry.replace("/", "."))
    document: dict[str, Any] = json.loads(
        module.api.get_openapi_json_schema(title="Headrace", version="0.1.0")
    )
    return document


def _operation(operation: dict[str, Any], entry: str, method: str) -> dict[str, Any]:
    is_open = operation.pop("x-open", False)
    creates = method == "post" and not operation.pop("x-creates-nothing", False)
    guarded = operation.pop("x-if-match", False) or method in ("delete", "put", "patch")
    responses = {s: r for s, r in operation["responses"].items() if s != "422"}
    # Open operations are refused for what they are given alone; one that takes a key says so.
    own = operation.pop("x-refusals", [])
    statuses = ["422", *own] if is_open else ["401", "403", "404", "422"]
    if method != "get":
        statuses += ["409", "412"]
    if "requestBody" in operation:
        statuses.append("415")
    for status in statuses:
        responses[status] = {
            "description": "Problem details",
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
    described = operation | {"responses": dict(sorted(responses.items()))}
    described["x-headrace-function"] = entry
    described["parameters"] = operation.get("parameters", []) + _headers(
        is_open=is_open, creates=creates, guarded=guarded
    )
    return described | ({"security": []} if is_open else {})


def _headers(*, is_open: bool, creates: bool, guarded: bool) -> list[dict[str, Any]]:
    names = {"X-Correlation-Id": "Chosen by the caller, repeated in every event and log line"}
    if not is_open:
        names["X-Tenant-Id"] = "For platform administrators: the tenant to work on"
    if creates:
        names["Idempotency-Key"] = "A repeat with the same key within 24 hours changes nothing"
    if guarded:
        names["If-Match"] = "The ETag that the resource must still have"
    return [
        {
            "name": n,
            "in": "header",
            "required": False,
            "description": d,
            "schema": {"type": "string"},
        }
        for n, d in names.items()
    ]


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
