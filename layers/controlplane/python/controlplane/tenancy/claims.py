"""What an access token says of its bearer."""

from dataclasses import dataclass

from controlplane.errors import MfaRequiredError
from controlplane.identifiers import now
from controlplane.tenancy.model import (
    USABLE,
    Membership,
    PrincipalKind,
    PrincipalRecord,
    Role,
    Standing,
    Tenant,
)
from controlplane.tenancy.ports import MembershipRepository, SecondFactors

Claims = dict[str, str]


@dataclass(frozen=True)
class Bearer:
    """Whom a token is issued to: its claims, and the record they were read from."""

    claims: Claims
    tenant_id: str | None = None
    principal: PrincipalRecord | None = None


def claims_of(
    subject: str,
    username: str,
    *,
    memberships: MembershipRepository,
    second_factors: SecondFactors,
) -> Bearer:
    """The claims of a user's next access token; none for whoever may do nothing.

    `tenant_id` and `roles`; a key's user also has `key_id`, `machine` and `scopes`. Where the tenant requires a second
    factor a person who has one gets `mfa`, and one who has none gets `refusal` alone, so that the API can say why.
    Raises UnavailableError.
    """
    membership = memberships.find(subject)
    if membership is None:
        return Bearer({})
    standing = memberships.get_standing(membership.tenant_id, subject)
    record = standing.principal
    if record is not None and not record.is_usable(now()):
        return Bearer({})
    if membership.tenant_id is None:
        return Bearer({"roles": " ".join(membership.roles)})
    tenant = standing.tenant
    if tenant is None or tenant.status not in USABLE:
        return Bearer({})
    claims = _claims(tenant, membership, standing)
    if _needs_second_factor(tenant, record):
        if not second_factors.has_second_factor(username):
            return Bearer({"refusal": MfaRequiredError.code})
        claims["mfa"] = "true"
    return Bearer(claims, tenant.tenant_id, record)


def _claims(tenant: Tenant, membership: Membership, standing: Standing) -> Claims:
    record = standing.principal
    roles = membership.roles if record is None or record.roles is None else record.roles
    claims = {
        "tenant_id": tenant.tenant_id,
        # Whatever a tenant's own items say, nobody of a tenant runs the platform.
        "roles": " ".join(role for role in roles if role is not Role.PLATFORM_ADMIN),
    }
    if record is not None and record.kind is PrincipalKind.KEY:
        claims |= {
            "key_id": record.name,
            "machine": record.machine or "",
            "scopes": " ".join(record.scopes or ()),
        }
    return claims


def _needs_second_factor(tenant: Tenant, record: PrincipalRecord | None) -> bool:
    """A machine has none: its key is 256 random bits."""
    is_key = record is not None and record.kind is PrincipalKind.KEY
    return tenant.require_mfa and not is_key
