"""The table, with the credentials of whom a request is for, and the key that signs the cursors of its lists."""

from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from controlplane.errors import ForbiddenError
from controlplane.identifiers import MAX_TENANT_LENGTH, is_name
from controlplane.runtime.settings import CursorSettings, OwnCredentials, TableSettings, load
from controlplane.runtime.wiring import aws

if TYPE_CHECKING:
    from pydynox import DynamoDBClient

    from controlplane.adapters.dynamodb_table import Table
    from controlplane.adapters.sts_tenant_clients import OpenSessions, TenantClients
    from controlplane.adapters.sts_tenant_sessions import Credentials

C = TypeVar("C")


class _On(Enum):
    """What a request works on, besides a tenant."""

    NOTHING = "nothing yet"
    NO_TENANT = "what is no tenant"
    PLATFORM = "the platform"


_works_on: ContextVar[str | _On] = ContextVar("works_on", default=_On.NOTHING)


class NoTenantError(RuntimeError):
    """A request reached the table before anybody said for whom: a fault of ours, and nothing is read."""


def use_tenant(tenant_id: str) -> None:
    """From now on this request's calls are made with the tenant's credentials.

    The tenant comes from verified claims, never from what is to be read: it is what guards the keys. Nothing can be
    read for "", nor for what can be no tenant's name.
    """
    _works_on.set(tenant_id if is_name(tenant_id, MAX_TENANT_LENGTH) else _On.NO_TENANT)


def use_platform() -> None:
    """From now on this request's calls are made with the function's own role."""
    _works_on.set(_On.PLATFORM)


def forget_tenant() -> None:
    """A new request begins: it must say for whom it works."""
    _works_on.set(_On.NOTHING)


@cache
def table() -> "Table":
    """The table as the request may use it: a tenant's own items, with that tenant's credentials.

    Functions without TENANT_ROLE_ARN (tasks, and APIs of the platform alone) have their own role's rights.
    """
    from controlplane.adapters.dynamodb_table import Table

    return Table(
        lambda: client_of_request(_own_client, _tenants_clients), load(TableSettings).table_name
    )


@cache
def own_table() -> "Table":
    """The table with the function's own role, whoever the request is for."""
    from controlplane.adapters.dynamodb_table import Table

    return Table(_own_client, load(TableSettings).table_name)


def client_of_request(own: Callable[[], C], tenants: "Callable[[], TenantClients[C]]") -> C:
    """The client whose credentials the request may use."""
    works_on = _works_on.get()
    if works_on is _On.PLATFORM or load(TableSettings).tenant_role_arn is None:
        return own()
    if works_on is _On.NO_TENANT:
        raise ForbiddenError("there is no such tenant")
    if isinstance(works_on, str):
        return tenants().of(works_on)
    raise NoTenantError("AWS is asked before the caller's tenant is known")


@cache
def open_sessions() -> "OpenSessions":
    """The sessions of the tenants' role in this container."""
    from controlplane.adapters.sts_tenant_clients import OpenSessions
    from controlplane.adapters.sts_tenant_sessions import Credentials, Sts, TenantRole

    role_arn = load(TableSettings).tenant_role_arn
    if role_arn is None:
        raise ValueError("TENANT_ROLE_ARN is not set")
    settings = load(OwnCredentials)
    own = Credentials(
        settings.aws_access_key_id, settings.aws_secret_access_key, settings.aws_session_token
    )
    role = TenantRole(Sts(settings.sts_url, settings.aws_region, own), role_arn)
    return OpenSessions(role.open_session)


@cache
def _own_client() -> "DynamoDBClient":
    return _connect(None)


@cache
def _tenants_clients() -> "TenantClients[DynamoDBClient]":
    from controlplane.adapters.sts_tenant_clients import TenantClients

    return TenantClients(open_sessions(), _connect)


def _connect(credentials: "Credentials | None") -> "DynamoDBClient":
    """A client with these credentials; without any, with those of the function's environment."""
    from pydynox import DynamoDBClient

    settings = load(TableSettings)
    return DynamoDBClient(
        region=settings.aws_region,
        endpoint_url=settings.endpoint_url,
        access_key=credentials.access_key_id if credentials else None,
        secret_key=credentials.secret_access_key if credentials else None,
        session_token=credentials.session_token if credentials else None,
        connect_timeout=1.0,
        read_timeout=2.0,
        max_retries=3,
    )


@cache
def cursor_key() -> bytes:
    from controlplane.adapters.secretsmanager_secrets import read_secret

    return read_secret(
        aws.client("secretsmanager"), load(CursorSettings).cursor_secret_arn
    ).encode()
