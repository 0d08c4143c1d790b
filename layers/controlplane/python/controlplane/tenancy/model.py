"""Tenants, memberships and the principal that a verified token names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

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


class Scope(StrEnum):
    """What an API key may be used for, at most; each is a group of actions in the policies' schema.

    `read` looks things up, `upload` makes projects, models and versions, `deploy` moves deployments, `infer` calls
    models through the gateway and nothing of this API.
    """

    READ = "read"
    UPLOAD = "upload"
    DEPLOY = "deploy"
    INFER = "infer"


class TenantStatus(StrEnum):
    ONBOARDING = "Onboarding"
    ONBOARDING_FAILED = "OnboardingFailed"
    ACTIVE = "Active"
    SUSPENDED = "Suspended"
    OFFBOARDING = "Offboarding"
    OFFBOARDED = "Offboarded"


# In any other status nobody of the tenant gets in.
USABLE = frozenset({TenantStatus.ACTIVE, TenantStatus.SUSPENDED})


class PrincipalKind(StrEnum):
    PERSON = "person"
    KEY = "key"


class PrincipalStatus(StrEnum):
    ACTIVE = "Active"
    DISABLED = "Disabled"


class Tenant(BaseModel):
    """One customer of the platform. `revoked_before` is in seconds since the epoch: older tokens are refused."""

    model_config = ConfigDict(frozen=True)

    tenant_id: TenantId
    status: TenantStatus = TenantStatus.ACTIVE
    tier: str = "standard"
    limits: Limits = Limits()
    revoked_before: int = 0
    require_mfa: bool = False


class Membership(BaseModel):
    """Which tenant a user of the user pool belongs to. Keyed by `sub`, which nobody can write.

    A member's roles are in its PrincipalRecord; those of a platform administrator, who has none, are here.
    """

    model_config = ConfigDict(frozen=True)

    subject: str
    tenant_id: TenantId | None = None
    roles: tuple[Role, ...] = ()


class PrincipalRecord(BaseModel):
    """What the table says of one principal at the moment.

    `revoked_before` is in seconds since the epoch: older tokens are refused. `roles` None says nothing of them: the
    token's hold. `name` is a person's name or a key's id; `scopes`, `machine` and `valid_until` (seconds since the
    epoch) are a key's, `signed_in_at` (the same) is a person's.
    """

    model_config = ConfigDict(frozen=True)

    kind: PrincipalKind = PrincipalKind.PERSON
    name: str = ""
    status: PrincipalStatus = PrincipalStatus.ACTIVE
    roles: tuple[Role, ...] | None = None
    revoked_before: int = 0
    machine: str | None = None
    scopes: tuple[Scope, ...] | None = None
    valid_until: int | None = None
    signed_in_at: int | None = None

    def is_usable(self, moment: datetime) -> bool:
        """Whether its tokens may count at all; which of them do, `revoked_before` says."""
        ended = self.valid_until is not None and self.valid_until <= moment.timestamp()
        return self.status is PrincipalStatus.ACTIVE and not ended


@dataclass(frozen=True)
class Standing:
    """What decides about a user's next token: the tenant, if there is one, and the user's record."""

    tenant: Tenant | None
    principal: PrincipalRecord | None


@dataclass(frozen=True)
class Principal:
    """Who calls, from the verified claims of the access token. `issued_at` is in seconds since the epoch.

    `refusal` is why its token opens nothing, such as `mfa_required`; `mfa` that the user was seen to have a second
    factor, which is asked of tenants that require one alone. `scopes` None is no limit: only keys have some.
    """

    subject: str
    username: str
    tenant_id: str | None
    roles: frozenset[Role]
    issued_at: int
    refusal: str | None = None
    mfa: bool = False
    kind: PrincipalKind = PrincipalKind.PERSON
    name: str = ""
    machine: str | None = None
    scopes: frozenset[Scope] | None = None

    @property
    def actor(self) -> str:
        """As events and audit records name it."""
        return f"key:{self.name}" if self.kind is PrincipalKind.KEY else f"user:{self.subject}"

    @property
    def is_platform_admin(self) -> bool:
        return Role.PLATFORM_ADMIN in self.roles

    def narrowed(self, record: PrincipalRecord | None) -> "Principal":
        """The principal as its record has it now: a role counts if both the token and the record have it."""
        if record is None:
            return self
        roles = self.roles if record.roles is None else self.roles & frozenset(record.roles)
        return replace(
            self,
            roles=roles,
            kind=record.kind,
            name=record.name,
            machine=record.machine,
            scopes=None if record.scopes is None else frozenset(record.scopes),
        )

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
    """What the table says at the moment of a tenant, one of its principals and the tenant's own policies.

    `policies` are the enabled ones, their text by name; `policies_digest` changes with them.
    """

    tenant: Tenant
    principal: PrincipalRecord | None = None
    policies: Mapping[str, str] = field(default_factory=dict)
    policies_digest: str = ""


@dataclass(frozen=True)
class Admission:
    """A caller that may work on a tenant: the principal with the roles that still count, and the tenant's policies."""

    principal: Principal
    tenant: Tenant
    policies: Mapping[str, str] = field(default_factory=dict)
    policies_digest: str = ""
