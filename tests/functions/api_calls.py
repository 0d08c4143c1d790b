"""Calls of the API: the operation looked up in the OpenAPI document, its function invoked as API Gateway does it."""

import base64
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

from controlplane.runtime.wiring.tables import use_platform
from tests.functions.samples import ROOT, Json, sample

DOCUMENT = ROOT / "functions" / "docs" / "openapi.json"
ISSUED_AT = 1_772_442_900  # when the tokens of the tests were issued, seconds since the epoch


@dataclass(frozen=True)
class Operation:
    """One operation of the document; `parameters` are the names in its path."""

    id: str
    method: str
    path: str
    function: str
    summary: str
    is_open: bool
    takes_body: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path.removeprefix('/api/v1')}"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def is_listing(self) -> bool:
        return "List" in self.summary

    def matches(self, method: str, path: str) -> bool:
        pattern = re.sub(r"{\w+}", "[^/]+", re.sub(r"\.", r"\\.", self.path))
        return method == self.method and re.fullmatch(pattern, path) is not None


@dataclass(frozen=True)
class Answer:
    """What the function answered; header names in lower case, `json` the body decoded."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The stable code of a problem."""
        return str(self.json["code"])

    @property
    def etag(self) -> str:
        return self.headers["etag"]


@dataclass(frozen=True)
class Person:
    """Who calls: the claims of a verified token."""

    tenant: str | None = "acme"
    role: str = "developer"
    subject: str = ""
    issued_at: int = ISSUED_AT
    mfa: bool = False

    @property
    def claims(self) -> dict[str, str]:
        subject = self.subject or f"sub-{self.tenant}-{self.role}"
        claims = {
            "sub": subject,
            "token_use": "access",
            "username": subject,
            "roles": self.role,
            "iat": str(self.issued_at),
        }
        claims |= {"mfa": "true"} if self.mfa else {}
        return claims | ({"tenant_id": self.tenant} if self.tenant else {})


@cache
def operations() -> tuple[Operation, ...]:
    document = json.loads(DOCUMENT.read_text())
    return tuple(
        Operation(
            id=described["operationId"],
            method=method.upper(),
            path=path,
            function=described["x-headrace-function"],
            summary=described["summary"],
            is_open=described.get("security") == [],
            takes_body="requestBody" in described,
        )
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    )


def operation_of(method: str, path: str) -> Operation:
    return next(found for found in operations() if found.matches(method, path))


@dataclass
class Api:
    """Calls operations and keeps what was said, for tests that look for what must not be said elsewhere."""

    answers: list[Answer] = field(default_factory=list)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        tenant: str | None = "acme",
        role: str = "developer",
        headers: Mapping[str, str] | None = None,
        **token: Any,
    ) -> Answer:
        """Call as a developer of acme unless told otherwise; `path` may leave out /api/v1."""
        return self.call_as(Person(tenant, role, **token), method, path, body, headers)

    def call_as(
        self,
        person: Person | None,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        function: str | None = None,
    ) -> Answer:
        """Call as somebody, or without a token. `function` is for paths that no operation has."""
        full = path if path.startswith("/api/") else f"/api/v1{path}"
        bare = full.partition("?")[0]
        module = function or operation_of(method, bare).function
        event = request_event(person, method, full, body, headers or {})
        raw = handler(module)(event, lambda_context())
        json.dumps(raw)  # Lambda sends it as JSON
        answer = Answer(
            status=raw["statusCode"],
            headers={name.lower(): str(value) for name, value in raw["headers"].items()},
            body=raw.get("body") or "",
        )
        self.answers.append(answer)
        return answer


def handler(module: str) -> Any:
    """The Lambda handler of `projects/api`."""
    return importlib.import_module(f"functions.{module.replace('/', '.')}").lambda_handler


def invoke(module: str, given: Any) -> Any:
    """Invoke a task or an event's function as Lambda does: JSON in, JSON out.

    Such functions know no tenants' role; in this process, which they share with the API's, they are the platform.
    """
    use_platform()
    answer = handler(module)(json.loads(json.dumps(given)), lambda_context())
    return json.loads(json.dumps(answer))


def lambda_context() -> Any:
    return SimpleNamespace(
        function_name="headrace-test",
        function_version="$LATEST",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:headrace-test",
        aws_request_id="0f0e0d0c-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
    )


def request_event(
    person: Person | None, method: str, path: str, body: Any, headers: Mapping[str, str]
) -> Json:
    """A request as an HTTP API hands it to Lambda (payload format 2.0). Bytes come base64-encoded."""
    bare, _, query = path.partition("?")
    event = sample("api_gateway_request")
    event |= {"routeKey": "$default", "rawPath": bare, "rawQueryString": query}
    event["headers"] |= {name.lower(): value for name, value in headers.items()}
    if query:
        event["queryStringParameters"] = _joined(query)
    context = event["requestContext"]
    context["http"] |= {"method": method, "path": bare}
    context["routeKey"] = "$default"
    if person is None:
        del context["authorizer"], event["headers"]["authorization"]
    else:
        context["authorizer"]["jwt"]["claims"] = person.claims
    if isinstance(body, bytes):
        event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    else:
        event["body"] = body if body is None or isinstance(body, str) else json.dumps(body)
    if event["body"] is None:
        del event["body"]
    return event


def _joined(query: str) -> dict[str, str]:
    """The parameters; the gateway joins what is named several times by commas."""
    joined: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
