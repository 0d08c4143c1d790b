"""What a fresh embedded stack holds: a platform administrator, and two tenants made through the very API."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local import cluster_seed
from local.deploy.clients import EmbeddedCloud
from local.deploy.identity import sign_in
from local.platform_client import PlatformClient
from local.private_files import write_private
from local.settings import Settings

TENANTS = ("acme", "globex")
# Everybody bears the name of the role: the first of a tenant is its first administrator.
TENANT_ROLES = ("tenant-admin", "developer", "viewer")


@dataclass(frozen=True)
class User:
    """Someone who can sign in with USER_PASSWORD_AUTH; a platform-admin has no tenant."""

    tenant: str | None
    role: str
    username: str
    password: str

    def described(self) -> dict[str, str | None]:
        return asdict(self)


def seed(
    cloud: EmbeddedCloud, settings: Settings, outputs: dict[str, str], api_url: str
) -> list[User]:
    """Make what is missing; repeating it changes nothing but the cluster's tokens.

    Needs the outputs UserPoolId, ClientId, TableName, ClusterSecretArn and OnboardingClusterSecretArn. Raises
    ClusterError and PlatformError.
    """
    users = _users(settings.state / "credentials.json")
    _let_into_cluster(cloud, settings, outputs)
    administrator, *members = users
    _make_platform_administrator(cloud, outputs, administrator)
    token = sign_in(cloud, outputs["ClientId"], administrator.username, administrator.password)
    platform = PlatformClient(api_url, token)
    for tenant in TENANTS:
        # One after the other: the second finds the functions warm that the first has started.
        platform.request_tenant(tenant, administrator=TENANT_ROLES[0])
        platform.wait_for_tenant(tenant)
        for role in TENANT_ROLES[1:]:
            platform.invite(tenant, name=role, role=role)
    for user in members:
        assert user.tenant is not None  # noqa: S101 - all but the first have one
        if platform.is_new(user.tenant, user.role):
            _set_password(cloud, outputs["UserPoolId"], user)
    return users


def platform_membership(sub: str) -> dict[str, Any]:
    """The table's item that makes a user an administrator of the platform, in DynamoDB's own JSON."""
    return {
        "pk": {"S": f"PLATFORM#USER#{sub}"},
        "sk": {"S": "MEMBERSHIP"},
        "roles": {"L": [{"S": "platform-admin"}]},
    }


def _let_into_cluster(cloud: EmbeddedCloud, settings: Settings, outputs: dict[str, str]) -> None:
    accounts = cluster_seed.apply(settings.kubeconfig)
    secrets_manager = cloud.client("secretsmanager")
    for output, access in (
        ("ClusterSecretArn", accounts.serving),
        ("OnboardingClusterSecretArn", accounts.onboarding),
    ):
        secrets_manager.put_secret_value(
            SecretId=outputs[output], SecretString=json.dumps(asdict(access))
        )


def _users(file: Path) -> list[User]:
    """The users with their passwords, which stay the same as long as the state folder lives."""
    known: dict[tuple[str | None, str], str] = {}
    if file.is_file():
        entries = json.loads(file.read_text())
        known = {(entry["tenant"], entry["role"]): entry["password"] for entry in entries}
    places: list[tuple[str | None, str]] = [(None, "platform-admin")]
    places += [(tenant, role) for tenant in TENANTS for role in TENANT_ROLES]
    users = [
        User(
            tenant,
            role,
            f"{tenant}.{role}" if tenant else role,
            known.get((tenant, role)) or _password(),
        )
        for tenant, role in places
    ]
    write_private(file, json.dumps([asdict(user) for user in users], indent=2) + "\n")
    return users


def _password() -> str:
    # Random, and of every kind of character that a pool's policy may ask for.
    return f"{secrets.token_urlsafe(18)}aA1!"


def _make_platform_administrator(cloud: EmbeddedCloud, outputs: dict[str, str], user: User) -> None:
    """The one user whom nobody can invite: whoever deploys the platform makes it."""
    identity, pool = cloud.client("cognito-idp"), outputs["UserPoolId"]
    try:
        found = identity.admin_get_user(UserPoolId=pool, Username=user.username)
        attributes = found["UserAttributes"]
    except identity.exceptions.UserNotFoundException:
        made = identity.admin_create_user(
            UserPoolId=pool, Username=user.username, MessageAction="SUPPRESS"
        )
        attributes = made["User"]["Attributes"]
        _set_password(cloud, pool, user)
    sub = next(item["Value"] for item in attributes if item["Name"] == "sub")
    dynamodb = cloud.client("dynamodb")
    try:
        dynamodb.put_item(
            TableName=outputs["TableName"],
            Item=platform_membership(sub),
            ConditionExpression="attribute_not_exists(pk)",
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return  # it may have been changed since


def _set_password(cloud: EmbeddedCloud, pool: str, user: User) -> None:
    """In place of the one in the invitation, which the embedded cloud sends to nobody."""
    cloud.client("cognito-idp").admin_set_user_password(
        UserPoolId=pool, Username=user.username, Password=user.password, Permanent=True
    )
