"""Checks the audit chains of a deployment through its API, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

TIMEOUT_SECONDS = 30
PLATFORM = "platform"


class AuditError(Exception):
    """The chains cannot be checked; the message says why."""


@dataclass(frozen=True)
class ChainReport:
    """What was found of one chain; `sequence` is its last record, or the first bad one if there is a `fault`."""

    tenant: str
    sequence: int
    fault: str | None = None


class AuditClient:
    """Verifies what a token may see: a platform administrator's every chain, a tenant's administrator's its own."""

    def __init__(self, api_url: str, token: str) -> None:
        self._base = f"{api_url.rstrip('/')}/api/v1"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def verify_all(self) -> Iterator[ChainReport]:
        """Raises AuditError when the API does not answer or refuses."""
        own = self._get("/me").get("tenant")
        if own is not None:
            yield self._verify(own["tenant"], {})
            return
        yield self._verify(PLATFORM, {})
        for tenant in self._tenants():
            yield self._verify(tenant, {"X-Tenant-Id": tenant})

    def _verify(self, tenant: str, headers: dict[str, str]) -> ChainReport:
        cursor = ""
        while True:
            found = self._get(f"/audit/verification?limit=100{cursor}", headers)
            fault = found["fault"]
            if fault is not None:
                told = f"{fault['kind']}: {fault['message']}"
                return ChainReport(tenant, fault["sequence"], told)
            if not found["next"]:
                return ChainReport(tenant, found["verified_to"])
            cursor = f"&cursor={found['next']}"

    def _tenants(self) -> Iterator[str]:
        cursor = ""
        while True:
            page = self._get(f"/tenants?limit=100{cursor}")
            yield from (entry["tenant"] for entry in page["items"])
            if not page["next"]:
                return
            cursor = f"&cursor={page['next']}"

    def _get(self, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = self._session.get(
                f"{self._base}{path}", headers=headers, timeout=TIMEOUT_SECONDS
            )
        except requests.RequestException as failed:
            raise AuditError(f"the API at {self._base} does not answer") from failed
        if answer.status_code != HTTPStatus.OK:
            raise AuditError(f"the API answers {answer.status_code} to {path}: {answer.text[:300]}")
        content: dict[str, Any] = answer.json()
        return content
