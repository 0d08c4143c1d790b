"""Who may ask, and how tokens come, serve and end."""

import base64
import json
import time

import kubernetes
import pytest

from local.kubernetes_api.authentication import Authenticator
from tests.local.kubernetes_api.running_server import RunningServer


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
def test_probes_need_no_token(server: RunningServer, path: str) -> None:
    assert server.call("GET", path, token="").code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/apis",
        "/api/v1",
        "/apis/apps/v1",
        "/openapi/v2",
        "/openapi/v3",
        "/api/v1/namespaces",
        "/api/v1/secrets?watch=1",
        "/nowhere",
        "/",
    ],
)
@pytest.mark.parametrize("token", ["", "wrong", "a.b.c", "é"])
def test_everything_else_needs_one(server: RunningServer, path: str, token: str) -> None:
    refused = server.call("GET", path, token=token.encode().decode("latin-1"))
    assert refused.code == 401
    assert (refused.body["kind"], refused.body["reason"]) == ("Status", "Unauthorized")


def test_writes_need_one_too(server: RunningServer) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert server.call(method, "/api/v1/namespaces/default", {}, token="").code == 401


@pytest.fixture
def account(server: RunningServer, namespace: str) -> str:
    """The path of a ServiceAccount."""
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    assert server.call("POST", accounts, {"metadata": {"name": "robot"}}).code == 201
    return f"{accounts}/robot"


def issue(server: RunningServer, account: str, **spec: object) -> str:
    answer = server.call("POST", f"{account}/token", {"spec": spec})
    assert answer.code == 201, answer.body
    return str(answer.body["status"]["token"])


def whoami(server: RunningServer, token: str) -> tuple[int, str]:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = server.call("POST", path, {}, token=token)
    return answer.code, answer.body["status"]["userInfo"]["username"] if answer.code == 201 else ""


def test_an_account_gets_tokens(server: RunningServer, account: str, namespace: str) -> None:
    token = issue(server, account, expirationSeconds=600)
    assert whoami(server, token) == (201, f"system:serviceaccount:{namespace}:robot")
    assert server.call("GET", "/api/v1", token=token).code == 200
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == f"system:serviceaccount:{namespace}:robot"
    assert claims["exp"] - claims["iat"] == 600


def test_a_token_dies_with_its_account(server: RunningServer, account: str) -> None:
    token = issue(server, account)
    server.call("DELETE", account)
    assert whoami(server, token)[0] == 401
    accounts = account.rpartition("/")[0]
    server.call("POST", accounts, {"metadata": {"name": "robot"}})  # another of the same name
    assert whoami(server, token)[0] == 401
    assert server.call("POST", f"{accounts}/nobody/token", {}).code == 404


def test_a_forged_or_foreign_token_is_refused(server: RunningServer, account: str) -> None:
    token = issue(server, account)
    head, claims, signature = token.split(".")
    assert whoami(server, f"{head}.{claims}.{signature[::-1]}")[0] == 401
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    assert whoami(server, f"{unsigned}.{claims}.")[0] == 401
    assert whoami(server, issue(server, account, audiences=["somebody-else"]))[0] == 401


def test_a_token_expires(server: RunningServer, account: str) -> None:
    found = server.call("GET", account).body
    key = (server.state / "signing.key").read_bytes()
    hour_ago = Authenticator("", key, lambda *_: found, clock=lambda: time.time() - 3600)
    old = hour_ago.issue(found, {"spec": {"expirationSeconds": 3000}})["status"]["token"]
    current = hour_ago.issue(found, {"spec": {"expirationSeconds": 7200}})["status"]["token"]
    assert whoami(server, current)[0] == 201
    assert whoami(server, old)[0] == 401
    short = server.call("POST", f"{account}/token", {"spec": {"expirationSeconds": 60}})
    assert short.code == 422


def test_token_reviews(server: RunningServer, account: str, namespace: str) -> None:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    token = issue(server, account)
    good = server.call("POST", path, {"spec": {"token": token}})
    assert good.code == 201
    assert good.body["status"]["authenticated"] is True
    groups = good.body["status"]["user"]["groups"]
    assert f"system:serviceaccounts:{namespace}" in groups
    bad = server.call("POST", path, {"spec": {"token": "nonsense"}}).body["status"]
    assert bad["authenticated"] is False
    foreign = {"spec": {"token": token, "audiences": ["somebody-else"]}}
    assert server.call("POST", path, foreign).body["status"]["authenticated"] is False


def test_the_official_client_asks_for_tokens(
    client: kubernetes.client.ApiClient, account: str, namespace: str
) -> None:
    core = kubernetes.client.CoreV1Api(client)
    spec = kubernetes.client.V1TokenRequestSpec(audiences=[], expiration_seconds=900)
    request = kubernetes.client.AuthenticationV1TokenRequest(spec=spec)
    answer = core.create_namespaced_service_account_token("robot", namespace, request)
    assert answer.status.token
    assert answer.status.expiration_timestamp


def test_nothing_secret_is_logged(server: RunningServer, account: str) -> None:
    token = issue(server, account)
    whoami(server, token)
    assert token not in server.log
    assert server.token not in server.log
