"""How a Prometheus is asked to let a request in."""

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.session import Session
from moto.server import ThreadedMotoServer

from controlplane.adapters.amp_metrics import SignedAccess, workspace_region
from controlplane.adapters.prometheus_access import StoredAccess
from controlplane.adapters.prometheus_api import PrometheusApi
from controlplane.errors import MetricsUnavailableError
from tests.unit.metrics.http_servers import Received, Reply, serving

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "a-secret", "a-token"
REGION = "eu-central-1"
EMPTY = Reply('{"status": "success", "data": {"resultType": "vector", "result": []}}')
REFUSED = Reply('{"message": "denied"}', 403)


class SignatureCheck:
    """Answers as the workspace's gate: a request whose signature is not of the very request is refused."""

    def __init__(self) -> None:
        self.url = ""

    def answer(self, request: Received) -> Reply:
        return EMPTY if self.is_signed(request) else REFUSED

    def is_signed(self, request: Received) -> bool:
        headers = {name.lower(): value for name, value in request.headers.items()}
        said = headers.get("authorization", "")
        if "SignedHeaders=" not in said:
            return False
        signed = said.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        again: Any = AWSRequest(
            request.method,
            self.url + request.path,
            data=request.body,
            headers={name: headers[name] for name in signed if name != "host"},
        )
        again.context["timestamp"] = headers["x-amz-date"]
        auth: Any = SigV4Auth(Credentials(KEY, SECRET, TOKEN), "aps", REGION)
        signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
        return {"host", "x-amz-date", "x-amz-security-token"} <= set(signed) and said.endswith(
            f"Signature={signature}"
        )


def session(secret: str = SECRET) -> Session:
    made = Session()
    made.set_credentials(KEY, secret, TOKEN)
    return made


def test_a_workspace_takes_what_is_signed_for_it() -> None:
    gate = SignatureCheck()
    with serving(gate.answer) as server:
        gate.url = server.url
        url = f"{server.url}/workspaces/ws-0a1b/"

        api = PrometheusApi(url, SignedAccess(session(), REGION))

        assert api.query('sum(up{a="é /+~"})', datetime.now(UTC)) == []
        assert server.received[0].path == "/workspaces/ws-0a1b/api/v1/query"


@pytest.mark.parametrize(
    "access",
    [
        SignedAccess(session("another-secret"), REGION),
        SignedAccess(session(), "us-east-1"),
        None,
    ],
)
def test_and_nothing_else(access: SignedAccess | None) -> None:
    gate = SignatureCheck()
    with serving(gate.answer) as server:
        gate.url = server.url

        with pytest.raises(MetricsUnavailableError, match="answers 403"):
            PrometheusApi(server.url, access).query("up", datetime.now(UTC))


def test_without_credentials_nothing_is_sent() -> None:
    bare: Any = type("NoCredentials", (), {"get_credentials": lambda _: None})()

    with pytest.raises(MetricsUnavailableError, match="no credentials"):
        PrometheusApi("http://127.0.0.1:1", SignedAccess(bare, REGION)).query(
            "up", datetime.now(UTC)
        )


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1", "eu-west-1"),
        ("https://aps-workspaces.cn-north-1.amazonaws.com.cn/workspaces/ws-1", "cn-north-1"),
        ("https://prometheus.internal/", "us-east-2"),
    ],
)
def test_a_workspace_is_asked_in_its_own_region(url: str, region: str) -> None:
    assert workspace_region(url, "us-east-2") == region


@pytest.fixture(scope="module")
def secrets() -> Iterator[Any]:
    moto = ThreadedMotoServer("127.0.0.1", port=0)
    moto.start()
    _, port = moto.get_host_and_port()
    yield boto3.client(
        "secretsmanager",
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    moto.stop()


def keep(secrets: Any, text: str) -> str:
    return str(secrets.create_secret(Name=f"p-{uuid4().hex}", SecretString=text)["ARN"])


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ({"token": "t-1"}, {"Authorization": "Bearer t-1"}),
        ({"token": "t-1", "org_id": "ml"}, {"Authorization": "Bearer t-1", "X-Scope-OrgID": "ml"}),
        ({"username": "u", "password": "p:ä"}, {"Authorization": "u:p:ä"}),
    ],
)
def test_a_stored_token_or_password_is_sent(
    secrets: Any, stored: dict[str, str], sent: dict[str, str]
) -> None:
    arn = keep(secrets, json.dumps(stored))
    with serving(lambda _: EMPTY) as server:
        PrometheusApi(server.url, StoredAccess(secrets, arn)).query("up", datetime.now(UTC))
        headers = dict(server.received[0].headers)

    kind, _, credentials = headers["Authorization"].partition(" ")
    if kind == "Basic":
        headers["Authorization"] = b64decode(credentials).decode()
    assert {name: headers[name] for name in sent} == sent


def test_a_renewed_token_is_read_when_the_old_one_is_refused(secrets: Any) -> None:
    arn = keep(secrets, '{"token": "old"}')
    valid = ["old"]

    def answer(request: Received) -> Reply:
        return EMPTY if request.headers["Authorization"] == f"Bearer {valid[0]}" else Reply("", 401)

    with serving(answer) as server:
        api = PrometheusApi(server.url, StoredAccess(secrets, arn))
        api.query("up", datetime.now(UTC))
        valid[0] = "new"
        secrets.put_secret_value(SecretId=arn, SecretString='{"token": "new"}')
        api.query("up", datetime.now(UTC))
        assert len(server.received) == 3

        valid[0] = "nobody has it"
        with pytest.raises(MetricsUnavailableError, match="answers 401"):
            api.query("up", datetime.now(UTC))


@pytest.mark.parametrize("text", ["", "[]", '"x"', '{"user": "u"}', '{"username": "u"}'])
def test_a_secret_of_another_form_says_what_to_write(secrets: Any, text: str) -> None:
    arn = keep(secrets, text or " ")

    with pytest.raises(MetricsUnavailableError, match="neither a token nor") as refused:
        PrometheusApi("http://127.0.0.1:1", StoredAccess(secrets, arn)).query(
            "up", datetime.now(UTC)
        )
    assert '{"token": "…"}' in str(refused.value.remedy)
