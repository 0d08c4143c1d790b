"""Tenants, memberships and the principal that a verified token names."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from controlplane.errors import ForbiddenError
from controlplane.identifiers import TenantId

MIB = 1024 * 1024
GIB = 1024 * MIB


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


class TierLimits(BaseModel):
    """What one tier allows; sizes in bytes."""

    model_config = ConfigDict(frozen=True)

    max_model_bytes: int = 20 * GIB
    max_upload_files: int = 250


class Tenant(BaseModel):
    """One customer of the platform. `revoked_before` is in seconds since the epoch: older tokens are refused."""

    model_config = ConfigDict(frozen=True)

    tenant_id: TenantId
    status: TenantStatus = TenantStatus.ACTIVE
    tier: str = "standard"
    limits: TierLimits = TierLimits()
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
