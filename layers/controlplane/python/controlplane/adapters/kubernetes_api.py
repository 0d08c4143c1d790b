"""The Kubernetes API as plain objects: read, apply, change, delete.

Importing this module loads the official client, so `runtime.wiring` imports it inside a factory only.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException

from controlplane.errors import ClusterRefusedError, ClusterUnavailableError, ConcurrentChangeError
from controlplane.identifiers import serving_namespace

FIELD_MANAGER = "headrace"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
JSON = "application/json"
Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]
TIMEOUTS = (3.0, 15.0)  # connect and read, seconds
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class ClusterAccess:
    """Where a cluster's API is and how to be let in. `token(fresh)` makes a new token when `fresh` is true."""

    server: str
    certificate_authority: str
    token: Callable[[bool], str]


class KubernetesApi:
    """Raises ClusterUnavailableError when no answer or a transient one came, ClusterRefusedError otherwise."""

    def __init__(
        self, access: ClusterAccess, *, client: ApiClient | None = None, acting_as: str = ""
    ) -> None:
        self._access = access
        self._client = client or _client(access)
        self._acting_as = acting_as

    def as_deployer(self, tenant_id: str) -> "KubernetesApi":
        """The same API in the name of the tenant's own account, which has rights in its namespace alone.

        So the cluster itself refuses a call that goes to another tenant's. No groups are sent: of a ServiceAccount
        the API server knows them (kubernetes.io/docs/reference/access-authn-authz/authentication, impersonation).
        """
        account = f"system:serviceaccount:{serving_namespace(tenant_id)}:deployer"
        return KubernetesApi(self._access, client=self._client, acting_as=account)

    def find(self, path: str) -> dict[str, Any] | None:
        """The object at a path such as `apis/apps/v1/namespaces/n/deployments/d`; None if there is none."""
        status, answer = self._request("GET", path)
        return None if status == 404 else self._good(status, answer)

    def list(self, path: str, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """The objects with these labels. Of a kind that the cluster does not know there are none."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        status, answer = self._request("GET", path, query={"labelSelector": selector})
        return [] if status == 404 else list(self._good(status, answer)["items"])

    def apply(self, path: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply of a whole object; fields that somebody else set are taken over.

        Raises ConcurrentChangeError when the manifest names a `resourceVersion` that is not the present one.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        status, answer = self._request("PATCH", path, query=query, body=manifest, kind=APPLY)
        if status == 409 and "resourceVersion" in manifest["metadata"]:
            raise ConcurrentChangeError(_message(answer))
        return self._good(status, answer)

    def merge(self, path: str, change: Mapping[str, Any]) -> None:
        """Change a few fields of an object, None removing one; of what is not there nothing changes.

        Raises ConcurrentChangeError when the change names a `resourceVersion` that is not the present one.
        """
        query = {"fieldManager": FIELD_MANAGER}
        status, answer = self._request("PATCH", path, query=query, body=change, kind=MERGE)
        if status == 409 and "resourceVersion" in change.get("metadata", {}):
            raise ConcurrentChangeError(_message(answer))
        if status != 404:
            self._good(status, answer)

    def patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> None:
        """A JSON patch (RFC 6902): all of its operations or none.

        Raises ConcurrentChangeError when one of its `test` operations does not hold, or the object is gone.
        """
        query = {"fieldManager": FIELD_MANAGER}
        status, answer = self._request("PATCH", path, query=query, body=operations, kind=JSON_PATCH)
        # An API server answers a test that fails as it answers an invalid object: by 422.
        if status in (404, 409) or (status == 422 and _is_failed_test(answer)):
            raise ConcurrentChangeError(_message(answer))
        self._good(status, answer)

    def delete(self, path: str, preconditions: Mapping[str, str] | None = None) -> None:
        """Delete, in the background; deleting what is not there is no error.

        Raises ConcurrentChangeError when the object is not as `preconditions` (uid, resourceVersion) say.
        """
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if preconditions:
            options["preconditions"] = dict(preconditions)
        status, answer = self._request("DELETE", path, body=options)
        if status == 409:
            raise ConcurrentChangeError(_message(answer))
        if status != 404:
            self._good(status, answer)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        kind: str = JSON,
    ) -> tuple[int, dict[str, Any]]:
        status, answer = self._send(method, path, query, body, kind, fresh_token=False)
        if status == 401:
            status, answer = self._send(method, path, query, body, kind, fresh_token=True)
        return status, answer

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Body | None,
        kind: str,
        *,
        fresh_token: bool,
    ) -> tuple[int, dict[str, Any]]:
        url = f"{self._access.server}/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {
            "Accept": JSON,
            "Content-Type": kind,
            "Authorization": f"Bearer {self._access.token(fresh_token)}",
        }
        if self._acting_as:
            headers["Impersonate-User"] = self._acting_as
        # The client writes JSON itself where the content type says so; server-side apply takes JSON as YAML.
        content = json.dumps(body) if kind == APPLY else body
        try:
            answer = self._client.call_api(
                method, url, header_params=headers, body=content, _request_timeout=TIMEOUTS
            )
        except (ApiException, urllib3.exceptions.HTTPError) as failed:
            raise ClusterUnavailableError("the cluster's API did not answer") from failed
        return int(answer.status), _decoded(answer.read())

    @staticmethod
    def _good(status: int, answer: dict[str, Any]) -> dict[str, Any]:
        if status < 300:
            return answer
        if status in _TRANSIENT:
            raise ClusterUnavailableError(
                f"the cluster's API answered {status}: {_message(answer)}"
            )
        raise ClusterRefusedError(
            f"the cluster refused ({status}): {_message(answer)}",
            remedy="Compare with the tenant's quota and the cluster's admission policies.",
        )


def _client(access: ClusterAccess) -> ApiClient:
    configuration = Configuration()
    configuration.host = access.server
    configuration.ca_cert_data = access.certificate_authority
    configuration.retries = False  # the state machine retries, and counts
    return ApiClient(configuration)


def _decoded(content: bytes | None) -> dict[str, Any]:
    try:
        decoded = json.loads(content or b"{}")
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _is_failed_test(answer: Mapping[str, Any]) -> bool:
    """A patch that does not fit the object has no causes; an object that is invalid has (k8s.io/apimachinery)."""
    return not (answer.get("details") or {}).get("causes")


def _message(answer: Mapping[str, Any]) -> str:
    return str(answer.get("message", "no reason given"))
