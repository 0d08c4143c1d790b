"""The tenants' namespaces, and the account with which the functions reach the cluster.

Written by server-side apply, so repeating it is harmless and a real cluster's other fields stay.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import urllib3

SYSTEM_NAMESPACE = "headrace-system"
ACCOUNT = "headrace"
TOKEN_SECONDS = 30 * 24 * 3600  # a cluster may grant less; every `up` asks again

# What the functions do in the cluster, and no more.
RULES = [
    {
        "apiGroups": ["serving.kserve.io"],
        "resources": ["inferenceservices"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    },
    {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": ["httproutes"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    },
    {
        "apiGroups": ["serving.kserve.io"],
        "resources": ["servingruntimes", "clusterservingruntimes"],
        "verbs": ["get", "list"],
    },
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]},
    {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["get", "list"],
    },
    {
        "apiGroups": [""],
        "resources": ["namespaces", "pods", "services", "events"],
        "verbs": ["get", "list"],
    },
]


class ClusterError(Exception):
    """The cluster does not answer, or refuses what is asked of it."""


@dataclass(frozen=True)
class ClusterAccess:
    """How a function reaches the cluster; `certificate_authority` is PEM text, may be empty."""

    server: str
    certificate_authority: str
    token: str


def apply(kubeconfig: Path, tenants: tuple[str, ...]) -> ClusterAccess:
    """Bring the objects into the cluster and return a fresh token for its account `headrace`.

    Raises ClusterError.
    """
    client = kubernetes.config.new_client_from_config(config_file=str(kubeconfig))
    with client:
        for path, manifest in _objects(tenants):
            _apply(client, path, manifest)
        token = _token(client)
        configuration = client.configuration
        authority = configuration.ssl_ca_cert
        return ClusterAccess(
            server=configuration.host,
            certificate_authority=Path(authority).read_text() if authority else "",
            token=token,
        )


def _objects(tenants: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object with the path of its collection."""
    yield _namespace(SYSTEM_NAMESPACE, {})
    yield _service_account(SYSTEM_NAMESPACE, ACCOUNT)
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    yield f"{rbac}/clusterroles", _manifest(rbac, "ClusterRole", ACCOUNT, rules=RULES)
    yield (
        f"{rbac}/clusterrolebindings",
        _manifest(
            rbac,
            "ClusterRoleBinding",
            ACCOUNT,
            roleRef={
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": ACCOUNT,
            },
            subjects=[{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM_NAMESPACE}],
        ),
    )
    for tenant in tenants:
        for name, account, security in (
            (f"tenant-{tenant}", "models", "restricted"),
            # Stock pipeline pods do not meet `restricted`.
            (f"tenant-{tenant}-runs", "pipelines", "baseline"),
        ):
            yield _namespace(
                name,
                {
                    "headrace.dev/tenant": tenant,
                    "pod-security.kubernetes.io/enforce": security,
                },
            )
            yield _service_account(name, account)


def _namespace(name: str, labels: dict[str, str]) -> tuple[str, dict[str, Any]]:
    return "/api/v1/namespaces", _manifest("/api/v1", "Namespace", name, labels=labels)


def _service_account(namespace: str, name: str) -> tuple[str, dict[str, Any]]:
    manifest = _manifest("/api/v1", "ServiceAccount", name)
    manifest["metadata"]["namespace"] = namespace
    return f"/api/v1/namespaces/{namespace}/serviceaccounts", manifest


def _manifest(
    path: str, kind: str, name: str, labels: dict[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "headrace", **(labels or {})}
    return {
        "apiVersion": path.removeprefix("/apis/").removeprefix("/api/"),
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        **fields,
    }


def _apply(client: Any, collection: str, manifest: dict[str, Any]) -> None:
    _request(
        client,
        "PATCH",
        f"{collection}/{manifest['metadata']['name']}?fieldManager=headrace&force=true",
        "application/apply-patch+yaml",
        manifest,
    )


def _token(client: Any) -> str:
    answer = _request(
        client,
        "POST",
        f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{ACCOUNT}/token",
        "application/json",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        },
    )
    token: str = answer["status"]["token"]
    return token


def _request(
    client: Any, method: str, path: str, content_type: str, body: dict[str, Any]
) -> dict[str, Any]:
    request = client.param_serialize(
        method,
        path,
        header_params={"Content-Type": content_type, "Accept": "application/json"},
        body=body,
        auth_settings=["BearerToken"],
    )
    try:
        response = client.call_api(*request, _request_timeout=10)
        response.read()
    except urllib3.exceptions.HTTPError as error:
        raise ClusterError(
            f"the cluster at {client.configuration.host} does not answer: {error}"
        ) from error
    if response.status >= 400:
        raise ClusterError(
            f"the cluster refused {method} {path} ({response.status}): {response.data.decode()}"
        )
    answer: dict[str, Any] = json.loads(response.data)
    return answer
