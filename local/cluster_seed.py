"""What the cluster needs before it can hold tenants, and the tokens of Headrace's accounts.

The manifests are those that GitOps installs, in `cluster/`. They are written by server-side apply, so repeating it is
harmless and a real cluster's other fields stay.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kubernetes
import urllib3
import yaml

from local.settings import PROJECT

MANIFESTS = PROJECT / "cluster"
# What every cluster must have, and what is skipped where the cluster does not know the kinds.
REQUIRED = ("headrace", "kueue")
OPTIONAL = ("karpenter", "policies")
SYSTEM_NAMESPACE = "headrace-system"
ACCOUNT = "headrace"
ONBOARDING_ACCOUNT = "headrace-onboarding"
TOKEN_SECONDS = 30 * 24 * 3600  # a cluster may grant less; every `up` asks again

_CLUSTER_SCOPED = frozenset(
    {
        "Namespace",
        "ClusterRole",
        "ClusterRoleBinding",
        "Cohort",
        "ResourceFlavor",
        "EC2NodeClass",
        "NodePool",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
)


class ClusterError(Exception):
    """The cluster does not answer, or refuses what is asked of it."""


@dataclass(frozen=True)
class ClusterAccess:
    """How a function reaches the cluster; `certificate_authority` is PEM text, may be empty."""

    server: str
    certificate_authority: str
    token: str


@dataclass(frozen=True)
class ClusterAccounts:
    """The ways in of those who serve tenants and of those who make them."""

    serving: ClusterAccess
    onboarding: ClusterAccess


def apply(kubeconfig: Path) -> ClusterAccounts:
    """Bring the objects into the cluster and return fresh tokens for both accounts.

    Raises ClusterError.
    """
    with kubernetes.config.new_client_from_config(config_file=str(kubeconfig)) as client:
        for folder in (*REQUIRED, *OPTIONAL):
            for manifest in _manifests(folder):
                _apply(client, manifest, skip_unknown_kind=folder in OPTIONAL)
        return ClusterAccounts(
            serving=_access(client, ACCOUNT), onboarding=_access(client, ONBOARDING_ACCOUNT)
        )


def _manifests(folder: str) -> Iterator[dict[str, Any]]:
    for file in sorted((MANIFESTS / folder).glob("*.yaml")):
        yield from yaml.safe_load_all(file.read_text())


def _apply(client: Any, manifest: dict[str, Any], *, skip_unknown_kind: bool) -> None:
    collection = _collection(manifest)
    if (
        skip_unknown_kind
        and _status(client, "GET", f"{collection}?limit=1") == HTTPStatus.NOT_FOUND
    ):
        return
    _request(
        client,
        "PATCH",
        f"{collection}/{manifest['metadata']['name']}?fieldManager=headrace&force=true",
        "application/apply-patch+yaml",
        manifest,
    )


def _collection(manifest: dict[str, Any]) -> str:
    """The path of the objects of a manifest's kind."""
    api_version, kind = manifest["apiVersion"], manifest["kind"]
    root = "apis" if "/" in api_version else "api"
    plural = _plural(kind.lower())
    if kind in _CLUSTER_SCOPED:
        return f"/{root}/{api_version}/{plural}"
    return f"/{root}/{api_version}/namespaces/{manifest['metadata']['namespace']}/{plural}"


def _plural(name: str) -> str:
    if name.endswith("y"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith("s") else f"{name}s"


def _access(client: Any, account: str) -> ClusterAccess:
    configuration = client.configuration
    authority = configuration.ssl_ca_cert
    return ClusterAccess(
        server=configuration.host,
        certificate_authority=Path(authority).read_text() if authority else "",
        token=_token(client, account),
    )


def _token(client: Any, account: str) -> str:
    answer = _request(
        client,
        "POST",
        f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{account}/token",
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
    response = _response(client, method, path, content_type, body)
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise ClusterError(
            f"the cluster refused {method} {path} ({response.status}): {response.data.decode()}"
        )
    answer: dict[str, Any] = json.loads(response.data)
    return answer


def _status(client: Any, method: str, path: str) -> int:
    return int(_response(client, method, path, "application/json", None).status)


def _response(
    client: Any, method: str, path: str, content_type: str, body: dict[str, Any] | None
) -> Any:
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
    return response
