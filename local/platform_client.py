"""The API as a platform administrator uses it to make tenants and to invite people."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import uuid4

import requests

TIMEOUT_SECONDS = 60
DEADLINE_SECONDS = 180.0
POLL_SECONDS = 0.3
Json = dict[str, Any]
T = TypeVar("T")


class PlatformError(Exception):
    """A tenant could not be made; the message says what the API told of it."""


class PlatformClient:
    """Calls the API at `{api_url}/api/v1` with the access token of a platform administrator."""

    def __init__(self, api_url: str, token: str) -> None:
        self._base = f"{api_url}/api/v1"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def request_tenant(self, tenant: str, *, administrator: str, tier: str = "standard") -> None:
        """Ask for a tenant; one that is there stays as it is, one that could not be made is made again."""
        found = self._find(f"/tenants/{tenant}")
        if found and found["status"] not in ("Onboarding", "OnboardingFailed"):
            return
        self._post(
            "/tenants",
            {
                "tenant": tenant,
                "display_name": tenant.capitalize(),
                "tier": tier,
                "administrator": {
                    "name": administrator,
                    "email": f"{administrator}@{tenant}.example",
                },
            },
        )

    def wait_for_tenant(self, tenant: str) -> None:
        """Until it is there. Raises PlatformError when it could not be made, or not in time."""

        def look() -> str | None:
            found = self._find(f"/tenants/{tenant}") or {"status": "Onboarding"}
            if found["status"] == "OnboardingFailed":
                raise PlatformError(f"tenant {tenant} could not be made: {found['reason']}")
            return None if found["status"] == "Onboarding" else str(found["status"])

        _wait(look, f"tenant {tenant} to be made")

    def invite(self, tenant: str, *, name: str, role: str) -> None:
        """Invite somebody who is not there yet."""
        if self._find(f"/people/{name}", tenant) is None:
            wanted = {"name": name, "email": f"{name}@{tenant}.example", "roles": [role]}
            self._post("/people", wanted, tenant)

    def is_new(self, tenant: str, name: str) -> bool:
        """Whether an invited person has not signed in yet; waits until the invitation is made."""

        def look() -> str | None:
            found = self._find(f"/people/{name}", tenant) or {"status": "Inviting"}
            return None if found["status"] == "Inviting" else str(found["status"])

        return _wait(look, f"{name} of {tenant} to be invited") == "Invited"

    def _find(self, path: str, tenant: str = "") -> Json | None:
        response = self._session.get(
            f"{self._base}{path}", headers=_on(tenant), timeout=TIMEOUT_SECONDS
        )
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        return _content(response)

    def _post(self, path: str, body: Json, tenant: str = "") -> Json:
        headers = _on(tenant) | {"Idempotency-Key": str(uuid4())}
        response = self._session.post(
            f"{self._base}{path}", json=body, headers=headers, timeout=TIMEOUT_SECONDS
        )
        return _content(response)


def _on(tenant: str) -> dict[str, str]:
    return {"X-Tenant-Id": tenant} if tenant else {}


def _content(response: requests.Response) -> Json:
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        raise PlatformError(
            f"the API refused {response.request.method} {response.url} "
            f"({response.status_code}): {response.text[:500]}"
        )
    content: Json = response.json()
    return content


def _wait(look: Callable[[], T | None], what: str) -> T:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise PlatformError(f"waited {DEADLINE_SECONDS:.0f} s in vain for {what}")
        time.sleep(POLL_SECONDS)
    return found
