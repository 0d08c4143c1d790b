"""Tenants, memberships and the principal that a verified token names."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from controlplane.errors import ForbiddenError
from controlplane.identifiers import TenantId
from controlplane.limits import Limits


class Role(StrEnum):
    PLATFORM_ADMIN = "platform-admin"
    TENANT_ADMIN = "tenant-admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    SERVICE = "service"


READERS = frozenset(Role)
WRITERS = frozenset({Role.PLATFORM_ADMIN, Role.TENANT_ADMIN, Role.DEVELOPER, Role.SERVICE})


class TenantStatus(StrEnum):
    ACTIVE = "Active"
    SUSPENDED = "Suspended"


class Tenant(BaseModel):
    """One customer of the platform. `revoked_before` is in seconds since the epoch: older tokens are refused."""

    model_config = ConfigDict(frozen=True)

    tenant_id: TenantId
    status: TenantStatus = TenantStatus.ACTIVE
    tier: str = "standard"
    limits: Limits = Limits()
    revoked_before: int = 0


class Membership(BaseModel):
    """Which tenant a user of the user pool belongs to, and as what. Keyed by `sub`, which nobody can write."""

    model_config = ConfigDict(frozen=True)

    subject: str
    tenant_id: TenantId | None = None
    roles: tuple[Role, ...]

    def claims(self) -> dict[str, Any]:
        """What the access token says of its bearer."""
        claims: dict[str, Any] = {"roles": " ".join(self.roles)}
        if self.tenant_id:
            claims["tenant_id"] = self.tenant_id
        return claims


@dataclass(frozen=True)
class Principal:
    """Who calls, from the verified claims of the access token. `issued_at` is in seconds since the epoch."""

    subject: str
    username: str
    tenant_id: str | None
    roles: frozenset[Role]
    issued_at: int

    @property
    def actor(self) -> str:
        """As events and audit records name it."""
        return f"user:{self.subject}"

    @property
    def is_platform_admin(self) -> bool:
        return Role.PLATFORM_ADMIN in self.roles

    def require(self, allowed: frozenset[Role]) -> None:
        """Raises ForbiddenError unless the principal has one of the roles."""
        if not self.roles & allowed:
            needed = ", ".join(sorted(allowed))
            raise ForbiddenError(
                f"this needs one of the roles: {needed}",
                remedy="Ask an administrator of your tenant for the role.",
            )


@dataclass(frozen=True)
class Access:
    """What the table says of a tenant and one of its principals at the moment."""

    tenant: Tenant
    principal_revoked_before: int
