"""ServiceAccounts with rights, and who they are to the server."""

from dataclasses import dataclass
from typing import Any

from tests.local.kubernetes_api.running_server import Answer, Json, RunningServer

GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1"


def rule(verbs: str, resources: str, group: str = "", *names: str) -> Json:
    """A rule of space-separated verbs and resources of one API group."""
    made: Json = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return {**made, "resourceNames": list(names)} if names else made


def reference(kind: str, name: str) -> Json:
    return {"apiGroup": GROUP, "kind": kind, "name": name}


@dataclass(frozen=True)
class Account:
    """A ServiceAccount that calls with its own token."""

    server: RunningServer
    namespace: str
    name: str
    token: str

    @property
    def username(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def subject(self) -> Json:
        return {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return self.server.call(method, path, body, token=self.token, **options)

    def allow(self, *rules: Json, namespace: str = "") -> None:
        """Bind a Role of these rules in a namespace, its own unless another is named."""
        where = f"{RBAC}/namespaces/{namespace or self.namespace}"
        name = f"{self.namespace}.{self.name}"
        _apply(self.server, f"{where}/roles/{name}", "Role", rules=list(rules))
        body = {"roleRef": reference("Role", name), "subjects": [self.subject]}
        _apply(self.server, f"{where}/rolebindings/{name}", "RoleBinding", **body)

    def allow_everywhere(self, *rules: Json) -> None:
        """Bind a ClusterRole of these rules in the whole cluster."""
        name = f"{self.namespace}.{self.name}"
        _apply(self.server, f"{RBAC}/clusterroles/{name}", "ClusterRole", rules=list(rules))
        body = {"roleRef": reference("ClusterRole", name), "subjects": [self.subject]}
        _apply(self.server, f"{RBAC}/clusterrolebindings/{name}", "ClusterRoleBinding", **body)


def make_account(server: RunningServer, namespace: str, name: str = "robot") -> Account:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    assert server.call("POST", accounts, {"metadata": {"name": name}}).code == 201
    issued = server.call("POST", f"{accounts}/{name}/token", {})
    return Account(server, namespace, name, issued.body["status"]["token"])


def _apply(server: RunningServer, path: str, kind: str, **fields: Any) -> None:
    body = {"apiVersion": f"{GROUP}/v1", "kind": kind, **fields}
    media = "application/apply-patch+yaml"
    query = "?fieldManager=tester&force=true"
    done = server.call("PATCH", path + query, body, media=media)
    assert done.code in (200, 201), done.body
