"""A small asynchronous client of the Kubernetes API: a kubeconfig's server, CA and token.

The official client is synchronous; a gateway that watches six kinds from one event loop wants
an asynchronous one, and needs nothing of its generated models.
"""

import base64
import json
import ssl
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from local.gateway.kubernetes_objects import KubernetesObject


class KubeconfigInvalidError(ValueError):
    """The kubeconfig cannot be used; the message says what to change."""


class KubernetesApiError(RuntimeError):
    """The API server refused a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the Kubernetes API answered {status}: {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the API server is and how to prove who we are."""

    server: str
    token: str | None
    tls: ssl.SSLContext | bool


def read_kubeconfig(path: Path) -> Connection:
    """Read the current context's server, CA and token.

    Raises OSError for a missing file and KubeconfigInvalidError for one that cannot be used.
    """
    try:
        config = yaml.safe_load(path.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        server = cluster["server"].rstrip("/")
    except (KeyError, TypeError, yaml.YAMLError) as error:
        raise KubeconfigInvalidError(
            f"{path} is no kubeconfig with a current context, cluster, user and server: {error}"
        ) from None
    if not {"token", "client-certificate"} & set(user):
        raise KubeconfigInvalidError(
            f"the user in {path} has neither a token nor a client-certificate file; "
            "the embedded gateway supports these two"
        )
    return Connection(server, user.get("token"), _tls(server, cluster, user))


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def _tls(server: str, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext | bool:
    if server.startswith("http://"):
        return True
    data = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"),
        cadata=base64.b64decode(data).decode() if data else None,
    )
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user.get("client-key"))
    return context


class KubernetesApi:
    """Requests to one API server over one session."""

    def __init__(self, kubeconfig: Path, session: aiohttp.ClientSession) -> None:
        self._kubeconfig = kubeconfig
        self._session = session
        self._connection: Connection | None = None

    def forget_connection(self) -> None:
        """Read the kubeconfig again before the next request: a restart may have changed it."""
        self._connection = None

    def open(
        self,
        method: str,
        path: str,
        *,
        parameters: dict[str, str] | None = None,
        body: KubernetesObject | list[dict[str, Any]] | None = None,
        content_type: str = "application/json",
        timeout: float = 30.0,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Return the context manager of a raw response; `timeout` bounds it in seconds."""
        if self._connection is None:
            self._connection = read_kubeconfig(self._kubeconfig)
        headers = {"Accept": "application/json", "User-Agent": "headrace-gateway"}
        if self._connection.token:
            headers["Authorization"] = f"Bearer {self._connection.token}"
        if body is not None:
            headers["Content-Type"] = content_type
        opened: AbstractAsyncContextManager[aiohttp.ClientResponse] = self._session.request(
            method,
            self._connection.server + path,
            params=parameters,
            data=None if body is None else json.dumps(body),
            headers=headers,
            ssl=self._connection.tls,
            timeout=aiohttp.ClientTimeout(total=timeout, connect=5.0),
        )
        return opened

    async def request(self, method: str, path: str, **options: Any) -> KubernetesObject:
        """Make a request and return the parsed answer; raise KubernetesApiError for >= 400."""
        async with self.open(method, path, **options) as response:
            await raise_for_status(response)
            answer: KubernetesObject = await response.json(content_type=None)
            return answer


async def raise_for_status(response: aiohttp.ClientResponse) -> None:
    """Raise KubernetesApiError with the server's own message for an answer >= 400."""
    if response.status < 400:
        return
    text = await response.text()
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text[:200] or (response.reason or "")
    raise KubernetesApiError(response.status, message)
