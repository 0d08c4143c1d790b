"""A small client of the HTTP API, as a data scientist's script would have it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import requests

from local.demo.errors import DemoError

T = TypeVar("T")
POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 30


class ApiError(DemoError):
    """The API refused; the message holds status, code, detail and remedy."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        detail = problem.get("detail") or problem.get("message") or "no detail"
        remedy = f" {problem['remedy']}" if problem.get("remedy") else ""
        super().__init__(f"{status} {problem.get('code', '')}: {detail}.{remedy}")
        self.status = status
        self.code = str(problem.get("code", ""))


class WaitedTooLongError(DemoError):
    """Something did not come about in time; the message holds what was seen last."""


@dataclass(frozen=True)
class ModelFile:
    """A file to upload and its path in the model."""

    source: Path
    path: str

    def described(self) -> dict[str, Any]:
        content = self.source.read_bytes()
        return {
            "path": self.path,
            "size": len(content),
            "sha256": sha256(content).hexdigest(),
        }


class HeadraceClient:
    """Calls the API at `{api_url}/api/v1` with a user's access token."""

    def __init__(self, api_url: str, token: str) -> None:
        self._base = f"{api_url}/api/v1"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Repeated safely by the Idempotency-Key that each call has of its own."""
        return self._call("POST", path, body, {"Idempotency-Key": str(uuid4())})

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("PUT", path, body)

    @staticmethod
    def fetch(url: str) -> dict[str, Any]:
        """The JSON behind a link that needs no token."""
        response = requests.get(url, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
        content: dict[str, Any] = response.json()
        return content

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def ensure_project(self, name: str) -> bool:
        """Create the project if it is not there; whether it was created."""
        try:
            self.post("/projects", {"name": name})
        except ApiError as refused:
            if refused.code != "already_exists":
                raise
            return False
        return True

    def upload(
        self,
        project: str,
        model: str,
        files: list[ModelFile],
        model_format: str,
        framework_version: str | None = None,
    ) -> str:
        """Upload a model's files, the manifest last; the upload's identifier."""
        manifest: dict[str, Any] = {
            "format": model_format,
            "files": [file.described() for file in files],
        }
        if framework_version:
            manifest["framework_version"] = framework_version
        ticket = self.post(f"/projects/{project}/models/{model}/uploads", manifest)
        sources = {file.path: file.source for file in files}
        for put in ticket["files"]:
            _put(put, sources[put["path"]].read_bytes())
        _put(ticket["manifest"], ticket["manifest"]["content"].encode())
        return str(ticket["upload"]["upload"])

    def wait_for_upload(
        self, project: str, model: str, upload: str, seconds: float = 60
    ) -> dict[str, Any]:
        """The upload when it has ended, well or not."""
        path = f"/projects/{project}/models/{model}/uploads/{upload}"
        ended = ("Registered", "Rejected", "Failed", "Cancelled", "Expired")
        return wait_until(lambda: self.get(path), lambda found: found["state"] in ended, seconds)

    def wait_for_rollout(
        self, project: str, deployment: str, version: int, seconds: float = 180
    ) -> dict[str, Any]:
        """The deployment when its rollout to the version has ended, well or not."""
        path = f"/projects/{project}/deployments/{deployment}"

        def find() -> dict[str, Any]:
            try:
                return self.get(path)
            except ApiError as refused:
                if refused.status != requests.codes.not_found:
                    raise
                return {"last_rollout": None}

        def is_over(found: dict[str, Any]) -> bool:
            last = found["last_rollout"]
            return bool(last) and last["version"] >= version

        return wait_until(find, is_over, seconds)

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        response = self._session.request(
            method, self._base + path, json=body, headers=headers, timeout=TIMEOUT_SECONDS
        )
        content: dict[str, Any] = response.json() if response.content else {}
        if not response.ok:
            raise ApiError(response.status_code, content)
        return content


def wait_until(find: Callable[[], T], is_so: Callable[[T], bool], seconds: float) -> T:
    """Look again and again until it is so. Raises WaitedTooLongError."""
    deadline = time.monotonic() + seconds
    while True:
        found = find()
        if is_so(found):
            return found
        if time.monotonic() > deadline:
            raise WaitedTooLongError(f"not within {seconds:.0f} s; seen last: {found}")
        time.sleep(POLL_SECONDS)


def _put(put: Mapping[str, Any], content: bytes) -> None:
    response = requests.put(
        put["url"], data=content, headers=put["headers"], timeout=TIMEOUT_SECONDS
    )
    if not response.ok:
        raise ApiError(response.status_code, {"detail": response.text[:500]})
