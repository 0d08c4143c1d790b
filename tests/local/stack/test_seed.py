"""The seed, on a real embedded cloud and cluster."""

import json
import ssl
import stat
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from local import services
from local.deploy.clients import EmbeddedCloud
from local.processes import Processes
from local.seed import seed
from local.settings import PROJECT, Settings, load


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    found = load(tmp_path_factory.mktemp("seed") / "state", "auto", environment={})
    processes = Processes(found.state, PROJECT)
    wanted = [services.cloud(found), services.kubernetes(found)]
    try:
        for service in wanted:
            processes.start(service)
        for service in wanted:
            processes.wait_ready(service)
        yield found
    finally:
        for service in wanted:
            processes.stop(service.name)


@pytest.fixture(scope="module")
def cloud(settings: Settings) -> EmbeddedCloud:
    return EmbeddedCloud(settings.endpoint)


@pytest.fixture(scope="module")
def outputs(cloud: EmbeddedCloud) -> dict[str, str]:
    identity = cloud.client("cognito-idp")
    pool = identity.create_user_pool(PoolName="people")["UserPool"]["Id"]
    client = identity.create_user_pool_client(
        UserPoolId=pool, ClientName="cli", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )
    cloud.client("dynamodb").create_table(
        TableName="state",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    secret, onboarding = (
        cloud.client("secretsmanager").create_secret(Name=name, SecretString="{}")
        for name in ("cluster", "onboarding-cluster")
    )
    return {
        "UserPoolId": pool,
        "ClientId": client["UserPoolClient"]["ClientId"],
        "TableName": "state",
        "ClusterSecretArn": secret["ARN"],
        "OnboardingClusterSecretArn": onboarding["ARN"],
    }


def test_everyone_can_sign_in_and_is_a_member(
    settings: Settings, cloud: EmbeddedCloud, outputs: dict[str, str]
) -> None:
    users = seed(cloud, settings, outputs)

    assert [(user.tenant, user.role) for user in users] == [
        (None, "platform-admin"),
        *((t, r) for t in ("acme", "globex") for r in ("tenant-admin", "developer", "viewer")),
    ]
    identity, dynamodb = cloud.client("cognito-idp"), cloud.client("dynamodb")
    for user in users:
        session = identity.initiate_auth(
            ClientId=outputs["ClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": user.username, "PASSWORD": user.password},
        )["AuthenticationResult"]
        told = identity.get_user(AccessToken=session["AccessToken"])["UserAttributes"]
        sub = next(item["Value"] for item in told if item["Name"] == "sub")
        key = {"pk": {"S": f"PLATFORM#USER#{sub}"}, "sk": {"S": "MEMBERSHIP"}}
        item = dynamodb.get_item(TableName="state", Key=key)["Item"]
        assert item["roles"] == {"L": [{"S": user.role}]}
        assert item.get("tenant_id") == ({"S": user.tenant} if user.tenant else None)
    mode = stat.S_IMODE((settings.state / "credentials.json").stat().st_mode)
    assert mode == 0o600


def test_a_repeated_seed_keeps_passwords_and_what_was_changed_since(
    settings: Settings, cloud: EmbeddedCloud, outputs: dict[str, str]
) -> None:
    first = seed(cloud, settings, outputs)
    dynamodb = cloud.client("dynamodb")
    key = {"pk": {"S": "TENANT#acme"}, "sk": {"S": "TENANT"}}
    dynamodb.update_item(
        TableName="state",
        Key=key,
        UpdateExpression="SET #status = :suspended",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":suspended": {"S": "Suspended"}},
    )

    assert seed(cloud, settings, outputs) == first
    assert dynamodb.get_item(TableName="state", Key=key)["Item"]["status"] == {"S": "Suspended"}


def test_the_secret_opens_the_cluster_that_holds_the_tenants_namespaces(
    settings: Settings, cloud: EmbeddedCloud, outputs: dict[str, str]
) -> None:
    seed(cloud, settings, outputs)
    stored = cloud.client("secretsmanager").get_secret_value(
        SecretId=outputs["OnboardingClusterSecretArn"]
    )
    access = json.loads(stored["SecretString"])
    listed = _get(access, "/api/v1/namespaces")["items"]
    tenants = {
        namespace["metadata"]["name"]: namespace["metadata"]["labels"]["headrace.dev/tenant"]
        for namespace in listed
        if "headrace.dev/tenant" in namespace["metadata"].get("labels", {})
    }

    assert tenants == {
        "tenant-acme": "acme",
        "tenant-acme-runs": "acme",
        "tenant-globex": "globex",
        "tenant-globex-runs": "globex",
    }
    path = "/api/v1/namespaces/tenant-acme/serviceaccounts/models"
    assert _get(access, path)["metadata"]["name"] == "models"


def _get(access: dict[str, str], path: str) -> Any:
    trust = ssl.create_default_context(cadata=access["certificate_authority"])
    with urllib3.PoolManager(ssl_context=trust) as pool:
        answer = pool.request(
            "GET",
            f"{access['server']}{path}",
            headers={"Authorization": f"Bearer {access['token']}"},
        )
    assert answer.status == 200, answer.data
    return answer.json()
