"""Somebody who calls the API with an access token, or without one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import requests

Json = dict[str, Any]
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    status: int
    body: Json
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Caller:
    """Calls `{api_url}/api/v1`; `token` None sends none."""

    api_url: str
    token: str | None
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        response = self._session.request(
            method,
            f"{self.api_url}/api/v1{path}",
            json=body,
            headers=authorization | dict(headers or {}),
            timeout=TIMEOUT_SECONDS,
        )
        is_json = "json" in response.headers.get("Content-Type", "")
        content: Json = response.json() if is_json and response.content else {}
        return Answer(response.status_code, content, response.headers)

    def get(self, path: str) -> Json:
        """What is there; AssertionError when the API refuses."""
        answer = self.call("GET", path)
        assert answer.status == HTTPStatus.OK, answer
        return answer.body

    def find(self, path: str) -> Json | None:
        """What is there, or None."""
        answer = self.call("GET", path)
        return None if answer.status == HTTPStatus.NOT_FOUND else answer.body

    def post(self, path: str, body: Any = None) -> Json:
        answer = self.call("POST", path, body, {"Idempotency-Key": str(uuid4())})
        assert answer.status < HTTPStatus.BAD_REQUEST, answer
        return answer.body
