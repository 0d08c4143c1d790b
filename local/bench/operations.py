"""Requests for every operation of the OpenAPI document, as API Gateway hands them to the functions."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote

from cdk.paths import ROOT, Sources
from local.bench import items
from local.bench.errors import BenchError

Json = dict[str, Any]
BASE = "/api/v1"
PAGE = 3  # items a page: so few that every list of ten, some of them deleted, has a full next page
_MANIFEST = {
    "format": "sklearn",
    "files": [{"path": "model.joblib", "size": 1_000_000, "sha256": "5e" * 32}],
}


class Kind(StrEnum):
    """What the design promises of an operation follows from its kind."""

    READ = "read"
    LIST = "list a page"
    CHANGE = "create or change"


@dataclass(frozen=True)
class Operation:
    """One operation of the document: its method, its path below `/api/v1`, the function that answers.

    `is_open` needs no caller: it answers with files, or that the API is there.
    """

    method: str
    path: str
    function: str
    kind: Kind
    has_body: bool
    is_open: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Case:
    """A way to call an operation. `event` makes the request of that number, each on an object of its own."""

    name: str
    operation: Operation
    event: Callable[[int], Json]
    pages: bool = False

    @property
    def short_name(self) -> str:
        return self.name.replace("/projects/{project}/", "…/")

    @property
    def signs(self) -> bool:
        """Whether the answer holds presigned requests or temporary credentials: signing costs CPU."""
        return self.operation.name in _SIGNING


_UPLOADS = "/projects/{project}/models/{model}/uploads"
_CREDENTIALS = "/projects/{project}/models/{model}/credentials"
_ROLLOUTS = "/projects/{project}/deployments/{deployment}/rollouts"
_SIGNING = {f"POST {_UPLOADS}", f"POST {_CREDENTIALS}"}
_FIXED = {
    "project": items.PROJECT,
    "model": items.MODEL,
    "version": str(items.VERSION),
    "upload": items.UPLOAD,
    "deployment": items.DEPLOYMENT,
    "rollout": items.ROLLOUT,
}
# What a request of that number removes: its own one of the numbered items.
_REMOVED: dict[str, Callable[[int], dict[str, str]]] = {
    "DELETE /projects/{project}": lambda n: {"project": items.numbered_project(n)},
    "DELETE /projects/{project}/deployments/{deployment}": lambda n: {
        "deployment": items.numbered_deployment(n)
    },
    f"DELETE {_UPLOADS}/{{upload}}": lambda n: {"upload": items.numbered_upload(n)},
    "DELETE /projects/{project}/models/{model}/versions/{version}": lambda n: {
        "version": str(items.numbered_version(n))
    },
}
_BODIES: dict[str, Callable[[str], Json]] = {
    "POST /projects": lambda unique: {"name": f"new{unique}"},
    f"POST {_UPLOADS}": lambda _: _MANIFEST,
    f"POST {_ROLLOUTS}": lambda _: {"version": items.VERSION},
}


@cache
def operations() -> tuple[Operation, ...]:
    document = json.loads(Sources().openapi.read_text())
    return tuple(
        Operation(
            method=method.upper(),
            path=path.removeprefix(BASE),
            function=described["x-headrace-function"],
            kind=_kind(method, described),
            has_body="requestBody" in described,
            is_open=described.get("security") == [],
        )
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    )


def cases() -> Iterator[Case]:
    """Every operation; creations also with an `Idempotency-Key`, lists also with a cursor.

    Raises BenchError for an operation that nobody has said how to call.
    """
    for operation in operations():
        yield _case(operation)
        if operation.has_body:
            yield _case(operation, key="key")
        if operation.kind is Kind.LIST:
            first = _case(operation)
            yield Case(f"{first.name}, next page", operation, first.event, pages=True)


def next_page(event: Json, cursor: str) -> Json:
    """The request for the page after, by the cursor that a list has answered."""
    later = deepcopy(event)
    later["rawQueryString"] += f"&cursor={quote(cursor)}"
    later["queryStringParameters"]["cursor"] = cursor
    return later


def _case(operation: Operation, key: str = "") -> Case:
    if operation.has_body and operation.name not in _BODIES:
        raise BenchError(f"tell local/bench/operations.py a body for {operation.name}")

    def event(number: int) -> Json:
        unique = f"{key}{number}"
        removed = _REMOVED.get(operation.name)
        names = _FIXED | (removed(number) if removed else {})
        body = _BODIES[operation.name](unique) if operation.has_body else None
        headers = {"idempotency-key": unique} if key else {}
        query = f"limit={PAGE}" if operation.kind is Kind.LIST else ""
        return _event(operation.method, _path(operation, names), query, body, headers)

    event(0)  # an operation that cannot be called is reported before anything is measured
    return Case(f"{operation.name}{', with Idempotency-Key' if key else ''}", operation, event)


def _path(operation: Operation, names: dict[str, str]) -> str:
    unknown = set(re.findall(r"{(\w+)}", operation.path)) - set(names)
    if unknown:
        raise BenchError(f"tell local/bench/operations.py a {unknown.pop()} for {operation.name}")
    return BASE + operation.path.format(**names)


def _kind(method: str, described: Json) -> Kind:
    if method != "get":
        return Kind.CHANGE
    parameters = {parameter["name"] for parameter in described.get("parameters", [])}
    return Kind.LIST if "cursor" in parameters else Kind.READ


def _event(method: str, path: str, query: str, body: Json | None, headers: dict[str, str]) -> Json:
    """Payload format 2.0 of an HTTP API, after the checked-in sample."""
    event = deepcopy(_sample())
    event |= {"rawPath": path, "rawQueryString": query}
    event["queryStringParameters"] = dict(parse_qsl(query))
    event["headers"] |= headers
    event["requestContext"]["http"] |= {"method": method, "path": path}
    event["body"] = json.dumps(body) if body is not None else None
    return event


@cache
def _sample() -> Json:
    event: Json = json.loads((ROOT / "events/samples/api_gateway_request.json").read_text())
    return event
