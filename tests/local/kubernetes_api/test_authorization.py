"""Roles count: every request is refused unless a rule allows it."""

import threading

import kubernetes
import pytest

from tests.local.kubernetes_api.access import RBAC, Account, make_account, reference, rule
from tests.local.kubernetes_api.conftest import Kubectl
from tests.local.kubernetes_api.running_server import APPLY, MERGE, Json, RunningServer

REQUESTS = [
    ("get", "GET", "/a", None),
    ("list", "GET", "", None),
    ("watch", "GET", "?watch=1&timeoutSeconds=1", None),
    ("watch", "GET", "/a?watch=1&timeoutSeconds=1", None),
    ("create", "POST", "", {"metadata": {"name": "b"}}),
    ("update", "PUT", "/a", {"data": {"k": "put"}}),
    ("patch", "PATCH", "/a", {"data": {"k": "patched"}}),
    ("delete", "DELETE", "/a", None),
    ("deletecollection", "DELETE", "", None),
]
VERBS = sorted({verb for verb, *_ in REQUESTS})


@pytest.fixture
def maps(server: RunningServer, config_maps: str) -> str:
    """The path of the namespace's ConfigMaps, of which there is `a`."""
    assert server.call("POST", config_maps, {"metadata": {"name": "a"}}).code == 201
    return config_maps


def ask(robot: Account, maps: str, request: tuple[str, str, str, Json | None]) -> int:
    _, method, path, body = request
    media = MERGE if method == "PATCH" else "application/json"
    return robot.call(method, f"{maps}{path}", body, media=media).code


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: f"{one[0]}{one[2]}")
def test_a_verb_is_allowed_by_its_own_name_alone(
    robot: Account, maps: str, request_: tuple[str, str, str, Json | None]
) -> None:
    verb = request_[0]
    assert ask(robot, maps, request_) == 403
    robot.allow(rule(" ".join(set(VERBS) - {verb}), "configmaps"))
    assert ask(robot, maps, request_) == 403
    robot.allow(rule(verb, "configmaps"))
    assert ask(robot, maps, request_) in (200, 201)


def test_a_refusal_says_who_what_and_where(robot: Account, maps: str, services: str) -> None:
    refused = robot.call("GET", f"{maps}/a")
    place = f'in the namespace "{robot.namespace}"'
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        f'configmaps "a" is forbidden: User "{robot.username}" cannot get resource "configmaps" '
        f'in API group "" {place}'
    )
    assert refused.body["details"] == {"name": "a", "kind": "configmaps"}
    assert robot.call("PATCH", f"{services}/x/status", {}).body["message"] == (
        f'inferenceservices.serving.kserve.io "x" is forbidden: User "{robot.username}" cannot patch '
        f'resource "inferenceservices/status" in API group "serving.kserve.io" {place}'
    )
    assert robot.call("GET", "/api/v1/nodes").body["message"] == (
        f'nodes is forbidden: User "{robot.username}" cannot list resource "nodes" '
        'in API group "" at the cluster scope'
    )
    assert robot.call("GET", "/metrics").body["message"] == (
        f'forbidden: User "{robot.username}" cannot get path "/metrics"'
    )


def test_what_is_not_served_is_not_told_to_strangers(robot: Account) -> None:
    for path in (
        "/apis/nowhere.example/v1/things",
        "/api/v1/namespaces/nowhere/pods/x",
        "/nowhere",
    ):
        assert robot.call("GET", path).code == 403


def test_discovery_is_for_everybody(robot: Account) -> None:
    for path in ("/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v2", "/openapi/v3"):
        assert robot.call("GET", path).code == 200
    assert robot.call("POST", "/api", {}).code == 403


def test_a_role_ends_at_its_namespace(server: RunningServer, robot: Account, maps: str) -> None:
    other = f"{robot.namespace}-b"
    server.call("POST", "/api/v1/namespaces", {"metadata": {"name": other}})
    robot.allow(rule("*", "*", "*"))
    assert robot.call("GET", maps).code == 200
    assert robot.call("GET", f"/api/v1/namespaces/{other}/configmaps").code == 403
    assert robot.call("GET", "/api/v1/configmaps").code == 403
    assert robot.call("GET", "/api/v1/nodes").code == 403
    assert robot.call("GET", f"/api/v1/namespaces/{robot.namespace}").code == 200
    assert robot.call("GET", f"/api/v1/namespaces/{other}").code == 403
    assert robot.call("GET", "/api/v1/namespaces").code == 403
    robot.allow(rule("get", "configmaps"), namespace=other)
    assert robot.call("GET", f"/api/v1/namespaces/{other}/configmaps/x").code == 404


def test_a_cluster_role_counts_where_it_is_bound(
    server: RunningServer, robot: Account, maps: str
) -> None:
    name = f"reader-{robot.namespace}"
    role = {"metadata": {"name": name}, "rules": [rule("list", "configmaps nodes")]}
    server.call("POST", f"{RBAC}/clusterroles", role)
    binding = {
        "metadata": {"name": "b"},
        "roleRef": reference("ClusterRole", name),
        "subjects": [robot.subject],
    }
    bindings = f"{RBAC}/namespaces/{robot.namespace}/rolebindings"
    assert server.call("POST", bindings, binding).code == 201
    assert robot.call("GET", maps).code == 200
    assert robot.call("GET", "/api/v1/configmaps").code == 403
    assert robot.call("GET", "/api/v1/nodes").code == 403
    binding["metadata"] = {"name": name}
    assert server.call("POST", f"{RBAC}/clusterrolebindings", binding).code == 201
    assert robot.call("GET", "/api/v1/configmaps").code == 200
    assert robot.call("GET", "/api/v1/nodes").code == 200


def test_resource_names(robot: Account, maps: str) -> None:
    robot.allow(rule("get list watch delete deletecollection create", "configmaps", "", "a"))
    assert robot.call("GET", f"{maps}/a").code == 200
    assert robot.call("GET", f"{maps}/b").code == 403
    assert robot.call("GET", maps).code == 403
    listed = robot.call("GET", f"{maps}?fieldSelector=metadata.name%3Da")
    assert [one["metadata"]["name"] for one in listed.body["items"]] == ["a"]
    assert robot.call("GET", f"{maps}?fieldSelector=metadata.name%21%3Da").code == 403
    # A create has no name in its address, so that no resourceName can allow it.
    assert robot.call("POST", maps, {"metadata": {"name": "a"}}).code == 403
    assert robot.call("DELETE", maps).code == 403
    assert robot.call("DELETE", f"{maps}?fieldSelector=metadata.name%3Da").code == 200


def test_subresources_are_resources_of_their_own(
    server: RunningServer, robot: Account, deployments: str, services: str
) -> None:
    robot.allow(rule("get patch", "deployments", "apps"))
    assert robot.call("GET", f"{deployments}/web/scale").code == 403
    robot.allow(rule("get patch", "deployments/scale", "apps"))
    assert robot.call("GET", f"{deployments}/web/scale").code == 404
    assert robot.call("GET", f"{deployments}/web").code == 403
    robot.allow(rule("get", "*/status", "*"))
    assert robot.call("GET", f"{services}/x/status").code == 404
    assert robot.call("GET", f"{services}/x").code == 403
    accounts = f"/api/v1/namespaces/{robot.namespace}/serviceaccounts"
    robot.allow(rule("create", "serviceaccounts"))
    assert robot.call("POST", f"{accounts}/default/token", {}).code == 403
    robot.allow(rule("create", "serviceaccounts/token"))
    assert robot.call("POST", f"{accounts}/default/token", {}).code == 201


def test_an_apply_that_creates_needs_both_verbs(robot: Account, maps: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}}
    path = f"{maps}/new?fieldManager=robot"
    robot.allow(rule("patch", "configmaps"))
    refused = robot.call("PATCH", path, body, media=APPLY)
    assert refused.code == 403
    assert "cannot create resource" in refused.body["message"]
    robot.allow(rule("create", "configmaps"))
    assert "cannot patch" in robot.call("PATCH", path, body, media=APPLY).body["message"]
    robot.allow(rule("create patch", "configmaps"))
    assert robot.call("PATCH", path, body, media=APPLY).code == 201
    robot.allow(rule("patch", "configmaps"))
    changed = {**body, "data": {"k": "w"}}
    assert robot.call("PATCH", path, changed, media=APPLY).code == 200


def test_groups_of_accounts(server: RunningServer, robot: Account, maps: str) -> None:
    other = make_account(server, robot.namespace, "other")
    for group in (f"system:serviceaccounts:{robot.namespace}", "system:serviceaccounts"):
        role = {"metadata": {"name": "r"}, "rules": [rule("list", "configmaps")]}
        binding = {
            "metadata": {"name": "r"},
            "roleRef": reference("Role", "r"),
            "subjects": [{"kind": "Group", "name": group}],
        }
        where = f"{RBAC}/namespaces/{robot.namespace}"
        server.call("POST", f"{where}/roles", role)
        assert other.call("GET", maps).code == 403
        made = server.call("POST", f"{where}/rolebindings", binding)
        assert made.body["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io"
        assert other.call("GET", maps).code == 200
        server.call("DELETE", f"{where}/rolebindings/r")


def test_rights_end_with_any_part_of_their_chain(
    server: RunningServer, robot: Account, maps: str
) -> None:
    name = f"{robot.namespace}.{robot.name}"
    where = f"{RBAC}/namespaces/{robot.namespace}"
    for part in (f"roles/{name}", f"rolebindings/{name}"):
        robot.allow(rule("list", "configmaps"))
        assert robot.call("GET", maps).code == 200
        server.call("DELETE", f"{where}/{part}")
        assert robot.call("GET", maps).code == 403
    robot.allow(rule("list", "configmaps"))
    role = f'role.rbac.authorization.k8s.io "{name}" not found'
    server.call("DELETE", f"{where}/roles/{name}")
    assert robot.call("GET", maps).body["message"].endswith(f": RBAC: {role}")
    robot.allow(rule("list", "configmaps"))
    server.call("PATCH", f"{where}/rolebindings/{name}", {"subjects": None}, media=MERGE)
    assert robot.call("GET", maps).code == 403


def test_paths_that_are_no_resources(robot: Account) -> None:
    robot.allow_everywhere({"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]})
    assert robot.call("GET", "/metrics").code == 404
    assert robot.call("GET", "/logs/today").code == 404
    assert robot.call("GET", "/metrics/more").code == 403
    assert robot.call("POST", "/metrics", {}).code == 403


def test_rights_change_under_running_callers(robot: Account, maps: str) -> None:
    """No answer is older than the last confirmed change of a binding."""
    robot.allow(rule("get", "configmaps"))
    ended = threading.Event()
    codes: list[int] = []

    def keep_asking() -> None:
        while not ended.is_set():
            codes.append(robot.call("GET", f"{maps}/a").code)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    for _ in range(10):
        robot.allow(rule("list", "configmaps"))
        assert robot.call("GET", f"{maps}/a").code == 403
        robot.allow(rule("get", "configmaps"))
        assert robot.call("GET", f"{maps}/a").code == 200
    ended.set()
    asking.join()
    assert set(codes) <= {200, 403}


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("roles", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]}, "rules[0].verbs"),
        ("roles", {"rules": [{"resources": ["pods"], "verbs": ["get"]}]}, "rules[0].apiGroups"),
        (
            "roles",
            {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]},
            "rules[0].nonResourceURLs",
        ),
        ("rolebindings", {"roleRef": {"kind": "Group", "name": "x"}}, "roleRef.kind"),
        (
            "rolebindings",
            {"roleRef": {"kind": "Role", "name": "x"}, "subjects": [{"kind": "User"}]},
            "subjects[0].name",
        ),
        ("rolebindings", {"roleRef": "x"}, "roleRef"),
        ("roles", {"rules": [{"verbs": "get"}]}, "rules[0].verbs"),
    ],
)
def test_malformed_policy_is_refused(
    server: RunningServer, namespace: str, kind: str, body: Json, field: str
) -> None:
    whole = {"metadata": {"name": "x"}, **body}
    refused = server.call("POST", f"{RBAC}/namespaces/{namespace}/{kind}", whole)
    assert refused.code == 422
    assert field in [cause["field"] for cause in refused.body["details"]["causes"]]


def test_a_binding_keeps_its_role(server: RunningServer, robot: Account) -> None:
    robot.allow(rule("get", "pods"))
    name = f"{robot.namespace}.{robot.name}"
    path = f"{RBAC}/namespaces/{robot.namespace}/rolebindings/{name}"
    refused = server.call("PATCH", path, {"roleRef": reference("Role", "other")}, media=MERGE)
    assert refused.code == 422
    assert "cannot change roleRef" in refused.body["message"]


def test_kubectl_and_the_official_client_as_an_account(
    robot: Account, kubectl: Kubectl, client: kubernetes.client.ApiClient
) -> None:
    robot.allow(rule("get list create delete", "configmaps"))
    kubectl("create", "configmap", "mine", "--from-literal=a=b", "--token", robot.token)
    assert "mine" in kubectl("get", "configmaps", "--token", robot.token)
    refused = kubectl("get", "secrets", "--token", robot.token, code=1)
    assert f'User "{robot.username}" cannot list resource "secrets"' in refused
    kubectl("delete", "configmap", "mine", "--token", robot.token)
    client.configuration.refresh_api_key_hook = None  # it would put the admin's token back
    client.configuration.api_key = {"authorization": f"Bearer {robot.token}"}
    core = kubernetes.client.CoreV1Api(client)
    assert core.list_namespaced_config_map(robot.namespace).items == []
    with pytest.raises(kubernetes.client.ApiException) as refusal:
        core.list_namespaced_secret(robot.namespace)
    assert refusal.value.status == 403
