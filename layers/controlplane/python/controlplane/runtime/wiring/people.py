"""What people and machines work with."""

from functools import cache
from typing import TYPE_CHECKING

from controlplane.people.administration import TenantPeople
from controlplane.people.ports import KeyRing, MachineRepository, PersonRepository, UserPool
from controlplane.runtime.settings import TokenSettings, UserPoolSettings, load
from controlplane.runtime.wiring import aws, tables

if TYPE_CHECKING:
    from controlplane.adapters.cognito_users import CognitoUsers


@cache
def person_repository() -> PersonRepository:
    from controlplane.adapters.dynamodb_people import DynamoDBPeople

    return DynamoDBPeople(tables.table())


@cache
def machine_repository() -> MachineRepository:
    from controlplane.adapters.dynamodb_machines import DynamoDBMachines

    return DynamoDBMachines(tables.table())


@cache
def key_ring() -> KeyRing:
    """With the function's own role: whose key it is turns out when it is found."""
    from controlplane.adapters.dynamodb_key_ring import DynamoDBKeyRing

    return DynamoDBKeyRing(tables.own_table())


@cache
def user_pool() -> UserPool:
    """To make, change and remove users; not to sign anybody in."""
    return _users(load(UserPoolSettings).user_pool_id)


@cache
def token_pool() -> UserPool:
    """To make the users of keys and sign them in."""
    settings = load(TokenSettings)
    return _users(settings.user_pool_id, settings.client_id)


@cache
def second_factors(user_pool_id: str) -> "CognitoUsers":
    """The SecondFactors of the pool that asks: its trigger cannot be told the name of what it is a part of."""
    return _users(user_pool_id)


@cache
def machine_secret() -> bytes:
    from controlplane.adapters.secretsmanager_secrets import read_secret

    arn = load(TokenSettings).machine_secret_arn
    return read_secret(aws.client("secretsmanager"), arn).encode()


@cache
def tenant_people() -> TenantPeople:
    return TenantPeople(person_repository(), machine_repository(), key_ring(), user_pool())


def _users(user_pool_id: str, client_id: str = "") -> "CognitoUsers":
    from controlplane.adapters.cognito_users import CognitoUsers

    return CognitoUsers(lambda: aws.client("cognito-idp"), user_pool_id, client_id)
