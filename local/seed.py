"""What a fresh embedded stack holds: tenants with their people, and their places in the cluster."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local import cluster_seed
from local.deploy.clients import EmbeddedCloud
from local.private_files import write_private
from local.settings import Settings

TENANTS = ("acme", "globex")
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


def seed(cloud: EmbeddedCloud, settings: Settings, outputs: dict[str, str]) -> list[User]:
    """Make what is missing; repeating it changes nothing but the cluster's tokens.

    Needs the outputs UserPoolId, TableName, ClusterSecretArn and OnboardingClusterSecretArn.
    """
    users = _users(settings.state / "credentials.json")
    identity = cloud.client("cognito-idp")
    items = [tenant_item(tenant) for tenant in TENANTS]
    for user in users:
        sub = _signed_up(identity, outputs["UserPoolId"], user)
        items.append(membership_item(sub, user.tenant, user.role))
    _put_missing(cloud.client("dynamodb"), outputs["TableName"], items)
    accounts = cluster_seed.apply(settings.kubeconfig, TENANTS)
    secrets_manager = cloud.client("secretsmanager")
    for output, access in (
        ("ClusterSecretArn", accounts.serving),
        ("OnboardingClusterSecretArn", accounts.onboarding),
    ):
        secrets_manager.put_secret_value(
            SecretId=outputs[output], SecretString=json.dumps(asdict(access))
        )
    return users


def tenant_item(tenant: str) -> dict[str, Any]:
    """The table's item of a tenant, in DynamoDB's own JSON."""
    return {
        "pk": {"S": f"TENANT#{tenant}"},
        "sk": {"S": "TENANT"},
        "tenant_id": {"S": tenant},
        "status": {"S": "Active"},
        "tier": {"S": "standard"},
    }


def membership_item(sub: str, tenant: str | None, role: str) -> dict[str, Any]:
    """The table's item that gives the user `sub` a role, in DynamoDB's own JSON."""
    item = {"pk": {"S": f"PLATFORM#USER#{sub}"}, "sk": {"S": "MEMBERSHIP"}}
    if tenant is not None:
        item["tenant_id"] = {"S": tenant}
    return item | {"roles": {"L": [{"S": role}]}}


def _put_missing(dynamodb: Any, table: str, items: list[dict[str, Any]]) -> None:
    """Write the items that are not there; one that is may have been changed since."""
    for item in items:
        try:
            dynamodb.put_item(
                TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)"
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            continue


def _users(file: Path) -> list[User]:
    """The users with their passwords, which stay the same as long as the state folder lives."""
    if file.is_file():
        return [User(**entry) for entry in json.loads(file.read_text())]
    places: list[tuple[str | None, str]] = [(None, "platform-admin")]
    places += [(tenant, role) for tenant in TENANTS for role in TENANT_ROLES]
    users = [
        User(tenant, role, f"{tenant}-{role}" if tenant else role, _password())
        for tenant, role in places
    ]
    write_private(file, json.dumps([asdict(user) for user in users], indent=2) + "\n")
    return users


def _password() -> str:
    # Random, and of every kind of character that a pool's policy may ask for.
    return f"{secrets.token_urlsafe(18)}aA1!"


def _signed_up(identity: Any, pool: str, user: User) -> str:
    """Make the user if it is missing, and return its `sub`."""
    try:
        found = identity.admin_get_user(UserPoolId=pool, Username=user.username)
        attributes = found["UserAttributes"]
    except identity.exceptions.UserNotFoundException:
        made = identity.admin_create_user(
            UserPoolId=pool, Username=user.username, MessageAction="SUPPRESS"
        )
        attributes = made["User"]["Attributes"]
        identity.admin_set_user_password(
            UserPoolId=pool, Username=user.username, Password=user.password, Permanent=True
        )
    sub: str = next(item["Value"] for item in attributes if item["Name"] == "sub")
    return sub
