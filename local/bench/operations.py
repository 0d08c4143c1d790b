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
from local.bench import examples
from local.bench.errors import BenchError
from local.bench.examples import Asker, Variant

Json = dict[str, Any]
BASE = "/api/v1"
PAGE = 3  # items a page: so few that every list of ten, some of them deleted, has a full next page
_PLAIN = Variant("")
# One tenant's overview has no pages, the platform's has.
_UNPAGED = frozenset({"GET /overview"})


class Kind(StrEnum):
    """What the design promises of an operation follows from its kind."""

    READ = "read"
    LIST = "list a page"
    CHANGE = "create or change"


@dataclass(frozen=True)
class Operation:
    """One operation of the document: its method, its path below `/api/v1`, the function that answers.

    `is_open` needs no caller. `takes_key` may be repeated with an `Idempotency-Key`.
    """

    method: str
    path: str
    function: str
    kind: Kind
    has_body: bool
    takes_key: bool
    is_open: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_file(self) -> bool:
        """Whether it answers with a file, or that the API is there."""
        return self.is_open and self.kind is Kind.READ


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
        return self.operation.name in examples.SIGNING

    @property
    def asks_by_sdk(self) -> bool:
        """Whether it needs a service that the function asks by the SDK's own client."""
        return self.operation.name in examples.BY_SDK

    @property
    def is_few(self) -> bool:
        """Whether it cannot be repeated as often as others."""
        return self.operation.name in examples.FEW_OF_A_KIND


@cache
def operations() -> tuple[Operation, ...]:
    document = json.loads(Sources().openapi.read_text())
    return tuple(
        _operation(method.upper(), path.removeprefix(BASE), described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    )


def _operation(method: str, path: str, described: Json) -> Operation:
    parameters = {parameter["name"] for parameter in described.get("parameters", [])}
    return Operation(
        method=method,
        path=path,
        function=described["x-headrace-function"],
        kind=_kind(method, path, parameters),
        has_body="requestBody" in described,
        takes_key="Idempotency-Key" in parameters and "requestBody" in described,
        is_open=described.get("security") == [],
    )


def _kind(method: str, path: str, parameters: set[str]) -> Kind:
    if method != "GET" and f"{method} {path}" not in examples.READING:
        return Kind.CHANGE
    return Kind.LIST if "cursor" in parameters else Kind.READ


def cases() -> Iterator[Case]:
    """Every operation; creations also with an `Idempotency-Key`, lists also with a cursor, some in other ways too.

    Raises BenchError for an operation that nobody has said how to call.
    """
    for operation in operations():
        yield _case(operation)
        if operation.takes_key:
            yield _case(operation, key="key")
        if operation.kind is Kind.LIST and operation.name not in _UNPAGED:
            yield _following(_case(operation))
        for variant in examples.VARIANTS.get(operation.name, ()):
            other = _case(operation, variant)
            yield other
            if operation.name in _UNPAGED:
                yield _following(other)


def next_page(event: Json, cursor: str) -> Json:
    """The request for the page after, by the cursor that a list has answered."""
    later = deepcopy(event)
    later["rawQueryString"] += f"&cursor={quote(cursor)}"
    later["queryStringParameters"]["cursor"] = cursor
    return later


def request(operation: Operation, names: dict[str, str], asker: Asker) -> Json:
    """A request without query and body."""
    return _event(operation, _path(operation, names), "", None, asker)


def _following(first: Case) -> Case:
    return Case(f"{first.name}, next page", first.operation, first.event, pages=True)


def _case(operation: Operation, variant: Variant = _PLAIN, key: str = "") -> Case:
    body_of = variant.body or _numbered_body(operation, key)
    asker = variant.asker or examples.asker_of(operation.name)
    label = "with Idempotency-Key" if key else variant.label

    def event(number: int) -> Json:
        numbered = examples.NUMBERED.get(operation.name)
        names = examples.FIXED | (numbered(number) if numbered else {})
        body = body_of(number) if operation.has_body else None
        keyed = Asker(asker.claims, asker.headers | {"idempotency-key": f"{key}{number}"})
        query = variant.query or (f"limit={PAGE}" if operation.kind is Kind.LIST else "")
        return _event(operation, _path(operation, names), query, body, keyed if key else asker)

    event(0)  # an operation that cannot be called is reported before anything is measured
    return Case(f"{operation.name}, {label}" if label else operation.name, operation, event)


def _numbered_body(operation: Operation, key: str) -> Callable[[int], Json]:
    if not operation.has_body:
        return lambda _: {}
    if operation.name not in examples.BODIES:
        raise BenchError(f"tell local/bench/examples.py a body for {operation.name}")
    body = examples.BODIES[operation.name]
    return lambda number: body(f"{key}{number}")


def _path(operation: Operation, names: dict[str, str]) -> str:
    unknown = set(re.findall(r"{(\w+)}", operation.path)) - set(names)
    if unknown:
        raise BenchError(f"tell local/bench/examples.py a {unknown.pop()} for {operation.name}")
    return BASE + operation.path.format(**names)


def _event(operation: Operation, path: str, query: str, body: Json | None, asker: Asker) -> Json:
    """Payload format 2.0 of an HTTP API, after the checked-in sample."""
    event = deepcopy(_sample())
    event |= {"rawPath": path, "rawQueryString": query}
    event["queryStringParameters"] = dict(parse_qsl(query))
    event["headers"] |= asker.headers
    context = event["requestContext"]
    context["http"] |= {"method": operation.method, "path": path}
    if operation.is_open:
        del context["authorizer"]
    else:
        claims = context["authorizer"]["jwt"]["claims"]
        for own in ("tenant_id", "roles"):
            del claims[own]
        claims |= asker.claims
    event["body"] = json.dumps(body) if body is not None else None
    return event


@cache
def _sample() -> Json:
    event: Json = json.loads((ROOT / "events/samples/api_gateway_request.json").read_text())
    return event
