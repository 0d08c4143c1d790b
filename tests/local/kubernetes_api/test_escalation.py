"""Nobody makes or binds a role with more than they hold, unless `escalate` or `bind` says so."""

import pytest

from tests.local.kubernetes_api.access import GROUP, RBAC, Account, reference, rule
from tests.local.kubernetes_api.running_server import APPLY, MERGE, Json, RunningServer

WRITE = rule("create get update patch", "roles rolebindings", GROUP)


@pytest.fixture
def where(namespace: str) -> str:
    return f"{RBAC}/namespaces/{namespace}"


def role(name: str, *rules: Json) -> Json:
    return {"metadata": {"name": name}, "rules": list(rules)}


def binding(name: str, kind: str, of: str) -> Json:
    subject = {"kind": "User", "name": "jane"}
    return {"metadata": {"name": name}, "roleRef": reference(kind, of), "subjects": [subject]}


@pytest.mark.parametrize(
    ("held", "granted"),
    [
        (rule("get list", "pods"), rule("get", "pods")),
        (rule("*", "*", "*"), rule("delete", "pods/exec")),
        (rule("get", "*/status", "*"), rule("get", "deployments/status", "apps")),
        (rule("get", "secrets"), rule("get", "secrets", "", "a", "b")),
        (rule("get", "secrets", "", "a", "b"), rule("get", "secrets", "", "b")),
    ],
)
def test_what_is_held_can_be_given(robot: Account, where: str, held: Json, granted: Json) -> None:
    robot.allow(WRITE, held)
    assert robot.call("POST", f"{where}/roles", role("given", granted)).code == 201


@pytest.mark.parametrize(
    ("held", "granted"),
    [
        (rule("get", "pods"), rule("get list", "pods")),
        (rule("get", "pods"), rule("*", "pods")),
        (rule("get", "pods"), rule("get", "*")),
        (rule("get", "pods"), rule("get", "pods", "apps")),
        (rule("get", "pods"), rule("get", "pods/log")),
        (rule("get", "secrets", "", "a"), rule("get", "secrets")),
        (rule("get", "secrets", "", "a"), rule("get", "secrets", "", "a", "b")),
    ],
)
def test_more_cannot(robot: Account, where: str, held: Json, granted: Json) -> None:
    robot.allow(WRITE, held)
    refused = robot.call("POST", f"{where}/roles", role("given", granted))
    assert refused.code == 403
    start = f'roles.{GROUP} "given" is forbidden: user "{robot.username}" (groups=["system:'
    assert refused.body["message"].startswith(start)
    assert (
        "is attempting to grant RBAC permissions not currently held:\n{" in refused.body["message"]
    )
    assert robot.call("GET", f"{where}/roles/given").code == 404


def test_only_what_is_missing_is_named(robot: Account, where: str) -> None:
    robot.allow(WRITE, rule("get", "pods"))
    asked = role("given", rule("get list", "pods"))
    lines = robot.call("POST", f"{where}/roles", asked).body["message"].splitlines()
    assert lines[1:] == ['{APIGroups:[""], Resources:["pods"], Verbs:["list"]}']


def test_changes_of_roles_are_checked_too(
    server: RunningServer, robot: Account, where: str
) -> None:
    robot.allow(WRITE, rule("get", "pods"))
    assert robot.call("POST", f"{where}/roles", role("r", rule("get", "pods"))).code == 201
    more = role("r", rule("get", "pods"), rule("get", "secrets"))
    assert robot.call("PUT", f"{where}/roles/r", more).code == 403
    assert (
        robot.call("PATCH", f"{where}/roles/r", {"rules": more["rules"]}, media=MERGE).code == 403
    )
    applied = {"apiVersion": f"{GROUP}/v1", "kind": "Role", "rules": more["rules"]}
    path = f"{where}/roles/r?fieldManager=robot&force=true"
    assert robot.call("PATCH", path, applied, media=APPLY).code == 403
    assert robot.call("PATCH", path.replace("/r?", "/new?"), applied, media=APPLY).code == 403
    assert robot.call("GET", f"{where}/roles/r").body["rules"] == [rule("get", "pods")]
    # What somebody else put there may be kept, and released to garbage collection, but not touched.
    assert server.call("PUT", f"{where}/roles/r", more).code == 200
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert robot.call("PATCH", f"{where}/roles/r", labels, media=MERGE).code == 403
    finalizers = {"metadata": {"finalizers": ["example.com/x"]}}
    assert robot.call("PATCH", f"{where}/roles/r", finalizers, media=MERGE).code == 200


def test_escalate(robot: Account, where: str) -> None:
    robot.allow(WRITE, rule("escalate", "roles", GROUP, "r"))
    wide = role("r", rule("*", "*", "*"))
    # A create has no name in its address, so that no resourceName can allow it.
    assert robot.call("POST", f"{where}/roles", wide).code == 403
    robot.allow(WRITE, rule("escalate", "roles", GROUP))
    assert robot.call("POST", f"{where}/roles", wide).code == 201
    robot.allow(WRITE, rule("escalate", "roles", GROUP, "r"))
    wider = [*wide["rules"], rule("*", "*/x", "*")]
    assert robot.call("PATCH", f"{where}/roles/r", {"rules": wider}, media=MERGE).code == 200
    robot.allow(WRITE, rule("escalate", "roles", GROUP, "other"))
    assert (
        robot.call("PATCH", f"{where}/roles/r", {"rules": wide["rules"]}, media=MERGE).code == 403
    )


def test_bindings_need_what_they_give(server: RunningServer, robot: Account, where: str) -> None:
    robot.allow(WRITE, rule("get", "pods"))
    server.call("POST", f"{where}/roles", role("narrow", rule("get", "pods")))
    server.call("POST", f"{where}/roles", role("wide", rule("get", "secrets")))
    bindings = f"{where}/rolebindings"
    assert robot.call("POST", bindings, binding("a", "Role", "narrow")).code == 201
    refused = robot.call("POST", bindings, binding("b", "Role", "wide"))
    assert refused.code == 403
    assert refused.body["message"].startswith(f'rolebindings.{GROUP} "b" is forbidden: user "')
    assert robot.call("POST", bindings, binding("c", "ClusterRole", "cluster-admin")).code == 403
    missing = robot.call("POST", bindings, binding("d", "Role", "nothing"))
    assert (missing.code, missing.body["details"]["name"]) == (404, "nothing")
    # More subjects for a role beyond one's own rights are a grant as well.
    server.call("POST", bindings, binding("e", "Role", "wide"))
    subjects = {"subjects": [robot.subject]}
    assert robot.call("PATCH", f"{bindings}/e", subjects, media=MERGE).code == 403


def test_bind(server: RunningServer, robot: Account, where: str) -> None:
    server.call("POST", f"{where}/roles", role("wide", rule("get", "secrets")))
    server.call("POST", f"{where}/roles", role("other", rule("get", "secrets")))
    bindings = f"{where}/rolebindings"
    robot.allow(WRITE, rule("bind", "roles", GROUP, "wide"))
    assert robot.call("POST", bindings, binding("a", "Role", "wide")).code == 201
    assert robot.call("POST", bindings, binding("b", "Role", "other")).code == 403
    assert robot.call("POST", bindings, binding("c", "ClusterRole", "cluster-admin")).code == 403
    robot.allow(WRITE, rule("bind", "clusterroles", GROUP))
    assert robot.call("POST", bindings, binding("c", "ClusterRole", "cluster-admin")).code == 201
    # Bound in the namespace, it gives what the namespace has and nothing of the cluster.
    assert server.call("GET", f"{where}/roles", act_as="jane").code == 200
    assert server.call("GET", "/api/v1/nodes", act_as="jane").code == 403


def test_cluster_wide_grants_need_cluster_wide_rights(robot: Account, namespace: str) -> None:
    cluster = rule("create", "clusterroles clusterrolebindings", GROUP)
    robot.allow_everywhere(cluster)
    robot.allow(rule("*", "*", "*"), {**rule("get", "pods")})
    granted = role(f"{namespace}-x", rule("get", "pods"))
    assert robot.call("POST", f"{RBAC}/clusterroles", granted).code == 403
    admin = binding(f"{namespace}-y", "ClusterRole", "cluster-admin")
    assert robot.call("POST", f"{RBAC}/clusterrolebindings", admin).code == 403
    robot.allow_everywhere(cluster, rule("get", "pods"))
    assert robot.call("POST", f"{RBAC}/clusterroles", granted).code == 201
    paths = {"metadata": {"name": f"{namespace}-z"}}
    rules = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    assert robot.call("POST", f"{RBAC}/clusterroles", {**paths, "rules": rules}).code == 403
    robot.allow_everywhere(cluster, {"nonResourceURLs": ["/met*"], "verbs": ["get"]})
    assert robot.call("POST", f"{RBAC}/clusterroles", {**paths, "rules": rules}).code == 201


def test_an_impersonated_writer_grants_by_his_own_rights(
    server: RunningServer, robot: Account, where: str
) -> None:
    robot.allow(WRITE)
    asked = role("given", rule("get", "secrets"))
    assert server.call("POST", f"{where}/roles", asked, act_as=robot.username).code == 403
    assert server.call("POST", f"{where}/roles", asked).code == 201
