"""How a Prometheus is asked to let a request in: by a token, or a name and password, of a stored secret."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING

from controlplane.adapters.secretsmanager_secrets import read_secret
from controlplane.errors import MetricsUnavailableError

if TYPE_CHECKING:
    from types_boto3_secretsmanager.client import SecretsManagerClient


class StoredAccess:
    """An Authorize of a secret with JSON: `token`, or `username` and `password`; with `org_id` where several share
    one Mimir, Cortex or Loki (X-Scope-OrgID). It is read again when it was refused: it may have been renewed."""

    def __init__(self, secrets: "SecretsManagerClient", arn: str) -> None:
        self._secrets, self._arn = secrets, arn
        self._headers: Mapping[str, str] | None = None

    def __call__(
        self,
        url: str,  # noqa: ARG002 - the same for all
        body: bytes,  # noqa: ARG002
        headers: Mapping[str, str],  # noqa: ARG002
        fresh: bool,
    ) -> Mapping[str, str]:
        if self._headers is None or fresh:
            self._headers = _headers(read_secret(self._secrets, self._arn))
        return self._headers


def _headers(secret: str) -> Mapping[str, str]:
    try:
        stored = json.loads(secret)
        organization = {"X-Scope-OrgID": stored["org_id"]} if "org_id" in stored else {}
        if "token" in stored:
            return organization | {"Authorization": f"Bearer {stored['token']}"}
        pair = f"{stored['username']}:{stored['password']}".encode()
    except (ValueError, KeyError, TypeError):
        raise MetricsUnavailableError(
            "the secret for Prometheus holds neither a token nor a name and password",
            remedy='Write JSON into it: {"token": "…"} or {"username": "…", "password": "…"}.',
        ) from None
    return organization | {"Authorization": f"Basic {b64encode(pair).decode()}"}
