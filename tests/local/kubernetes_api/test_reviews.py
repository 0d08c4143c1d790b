"""``kubectl auth can-i`` and the reviews behind it answer what enforcement would do."""

import itertools

import kubernetes
import pytest

from tests.local.kubernetes_api.access import Account, make_account, rule
from tests.local.kubernetes_api.conftest import Kubectl
from tests.local.kubernetes_api.running_server import Answer, Json, RunningServer

REVIEWS = "/apis/authorization.k8s.io/v1"


def test_can_i_as_an_account(robot: Account, kubectl: Kubectl) -> None:
    robot.allow(
        rule("get list", "inferenceservices", "serving.kserve.io"),
        rule("update", "deployments/scale", "apps"),
        rule("get", "secrets", "", "mine"),
    )
    allowed = {
        ("get", "inferenceservices.serving.kserve.io"),
        ("list", "isvc"),
        ("update", "deployments.apps/scale"),
        ("get", "secrets/mine"),
    }
    refused = {
        ("delete", "isvc"),
        ("*", "isvc"),
        ("get", "deployments.apps"),
        ("update", "deployments.apps"),
        ("get", "secrets"),
        ("get", "secrets/other"),
        ("*", "*"),
        ("impersonate", "users"),
        ("get", "/metrics"),
    }
    for verb, resource in allowed | refused:
        whole, scale, _ = resource.partition("/scale")
        arguments = [verb, whole, *(["--subresource=scale"] if scale else [])]
        yes = (verb, resource) in allowed
        said = kubectl("auth", "can-i", *arguments, "--as", robot.username, code=0 if yes else 1)
        assert said.splitlines()[-1].startswith("yes" if yes else "no"), arguments
    elsewhere = ("auth", "can-i", "get", "isvc", "--namespace", "default")
    assert "no" in kubectl(*elsewhere, "--as", robot.username, code=1)
    assert kubectl("auth", "can-i", "*", "*").strip() == "yes"


def test_can_i_by_the_accounts_own_token(robot: Account, kubectl: Kubectl) -> None:
    assert "no" in kubectl("auth", "can-i", "list", "pods", "--token", robot.token, code=1)
    robot.allow(rule("list", "pods"))
    assert "yes" in kubectl("auth", "can-i", "list", "pods", "--token", robot.token)
    everywhere = ("auth", "can-i", "list", "pods", "--all-namespaces", "--token", robot.token)
    assert "no" in kubectl(*everywhere, code=1)
    robot.allow_everywhere(rule("list", "pods"))
    assert "yes" in kubectl(*everywhere)


def test_can_i_list(robot: Account, kubectl: Kubectl) -> None:
    robot.allow(rule("get list", "pods configmaps"), rule("get", "secrets", "", "mine"))
    text = kubectl("auth", "can-i", "--list", "--as", robot.username)
    rows = {line.split()[0]: line for line in text.splitlines()[1:]}
    assert rows["pods"].endswith("[get list]")
    assert rows["configmaps"].endswith("[get list]")
    assert "[mine]" in rows["secrets"]
    assert rows["selfsubjectaccessreviews.authorization.k8s.io"].endswith("[create]")
    assert "[/api/*]" in text
    assert "*.*" not in text
    elsewhere = kubectl("auth", "can-i", "--list", "-n", "default", "--as", robot.username)
    assert "secrets" not in elsewhere
    assert "*.*" in kubectl("auth", "can-i", "--list")


def review(server: RunningServer, kind: str, spec: Json, **options: str) -> Answer:
    return server.call("POST", f"{REVIEWS}/{kind}", {"spec": spec}, **options)


def test_a_subject_access_review_tells_why(server: RunningServer, robot: Account) -> None:
    asked = {"verb": "get", "resource": "pods", "namespace": robot.namespace}
    spec = {"user": robot.username, "resourceAttributes": asked}
    assert review(server, "subjectaccessreviews", spec).body["status"] == {"allowed": False}
    robot.allow(rule("get", "pods"))
    name = f"{robot.namespace}.{robot.name}"
    answer = review(server, "subjectaccessreviews", spec)
    assert answer.code == 201
    assert answer.body["status"] == {
        "allowed": True,
        "reason": f'RBAC: allowed by RoleBinding "{name}/{robot.namespace}" of Role "{name}" '
        f'to ServiceAccount "{robot.name}/{robot.namespace}"',
    }
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{robot.namespace}/roles"
    server.call("DELETE", f"{roles}/{name}")
    status = review(server, "subjectaccessreviews", spec).body["status"]
    assert status["allowed"] is False
    assert status["evaluationError"] == f'role.rbac.authorization.k8s.io "{name}" not found'


def test_groups_and_paths_can_be_asked_for(server: RunningServer) -> None:
    path = {"path": "/apis/apps", "verb": "get"}
    for group, allowed in (("system:authenticated", True), ("system:unauthenticated", False)):
        spec = {"groups": [group], "nonResourceAttributes": path}
        status = review(server, "subjectaccessreviews", spec).body["status"]
        assert status["allowed"] is allowed
    probes = {
        "groups": ["system:unauthenticated"],
        "nonResourceAttributes": {**path, "path": "/healthz"},
    }
    assert review(server, "subjectaccessreviews", probes).body["status"]["allowed"] is True
    masters = {"groups": ["system:masters"], "resourceAttributes": {"verb": "x", "resource": "y"}}
    assert review(server, "subjectaccessreviews", masters).body["status"]["allowed"] is True


def test_who_may_ask_about_others(server: RunningServer, robot: Account) -> None:
    asked = {"verb": "get", "resource": "pods", "namespace": robot.namespace}
    spec = {"user": "jane", "resourceAttributes": asked}
    assert review(server, "subjectaccessreviews", spec, token=robot.token).code == 403
    local = f"{REVIEWS}/namespaces/{robot.namespace}/localsubjectaccessreviews"
    assert robot.call("POST", local, {"spec": spec}).code == 403
    robot.allow(rule("create", "localsubjectaccessreviews", "authorization.k8s.io"))
    answer = robot.call("POST", local, {"spec": spec})
    assert (answer.code, answer.body["status"]) == (201, {"allowed": False})
    foreign = {"user": "jane", "resourceAttributes": {**asked, "namespace": "default"}}
    assert robot.call("POST", local, {"spec": foreign}).code == 422


@pytest.mark.parametrize(
    ("kind", "spec", "code"),
    [
        ("subjectaccessreviews", {"user": "jane"}, 422),
        ("subjectaccessreviews", {"resourceAttributes": {"verb": "get"}}, 422),
        (
            "subjectaccessreviews",
            {"user": "jane", "resourceAttributes": {}, "nonResourceAttributes": {}},
            422,
        ),
        ("subjectaccessreviews", {"groups": "x", "resourceAttributes": {}}, 400),
        ("selfsubjectaccessreviews", {"resourceAttributes": {"namespace": ["x"]}}, 400),
        ("selfsubjectaccessreviews", {"resourceAttributes": "x"}, 400),
        ("selfsubjectaccessreviews", "x", 400),
        ("selfsubjectrulesreviews", {}, 400),
    ],
)
def test_questions_that_are_none(server: RunningServer, kind: str, spec: Json, code: int) -> None:
    assert review(server, kind, spec).code == code


def test_the_official_client_asks(
    client: kubernetes.client.ApiClient, robot: Account, namespace: str
) -> None:
    robot.allow(rule("get", "pods"))
    attributes = kubernetes.client.V1ResourceAttributes(
        namespace=namespace, verb="get", resource="pods"
    )
    spec = kubernetes.client.V1SubjectAccessReviewSpec(
        user=robot.username, resource_attributes=attributes
    )
    body = kubernetes.client.V1SubjectAccessReview(spec=spec)
    reviews = kubernetes.client.AuthorizationV1Api(client)
    assert reviews.create_subject_access_review(body).status.allowed is True
    rules = reviews.create_self_subject_rules_review(
        kubernetes.client.V1SelfSubjectRulesReview(spec={"namespace": namespace})
    )
    assert rules.status.resource_rules[0].verbs == ["*"]
    assert rules.status.incomplete is False


def test_reviews_agree_with_what_happens(server: RunningServer, namespace: str) -> None:
    """Every verb on a few resources, asked about and then done."""
    robot = make_account(server, namespace, "prober")
    robot.allow(
        rule("get list", "configmaps"),
        rule("delete patch", "configmaps", "", "x"),
        rule("*", "inferenceservices", "serving.kserve.io"),
    )
    methods = {"get": "GET", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
    kinds = (("", "configmaps"), ("serving.kserve.io", "inferenceservices"), ("", "secrets"))
    roots = {"": "/api/v1", "serving.kserve.io": "/apis/serving.kserve.io/v1beta1"}
    agreed = []
    for (verb, method), (group, plural), name in itertools.product(
        methods.items(), kinds, ("x", "y")
    ):
        asked = {"verb": verb, "group": group, "resource": plural, "namespace": namespace}
        spec = {"resourceAttributes": {**asked, "name": name}}
        status = review(server, "selfsubjectaccessreviews", spec, token=robot.token).body["status"]
        path = f"{roots[group]}/namespaces/{namespace}/{plural}/{name}"
        done = robot.call(method, path, {}, media="application/merge-patch+json")
        assert (done.code != 403) is status["allowed"], (spec, done)
        agreed.append(status["allowed"])
    assert {True, False} == set(agreed)
