"""Who may call, and for which tenant."""

from controlplane.errors import ForbiddenError, UnauthenticatedError
from controlplane.tenancy.model import Membership, Principal, Tenant, TenantStatus
from controlplane.tenancy.ports import AccessRepository, MembershipRepository


def find_membership(subject: str, *, memberships: MembershipRepository) -> Membership | None:
    """The membership that goes into a user's next token; without one the token opens nothing."""
    return memberships.find(subject)


def admit_principal(
    principal: Principal, requested_tenant: str | None, *, access: AccessRepository
) -> Tenant:
    """The tenant that the request works on.

    A platform administrator names it (`X-Tenant-Id`); for everyone else it is the token's, whatever they name.
    Raises UnauthenticatedError for a revoked token, ForbiddenError without a usable tenant.
    """
    tenant_id = requested_tenant if principal.is_platform_admin else principal.tenant_id
    if not tenant_id:
        raise ForbiddenError(_why_no_tenant(principal))
    found = access.get_access(tenant_id, principal.subject)
    if found is None:
        raise ForbiddenError(f"there is no tenant {tenant_id}")
    revoked_before = found.principal_revoked_before
    if not principal.is_platform_admin:
        revoked_before = max(revoked_before, found.tenant.revoked_before)
    if principal.issued_at < revoked_before:
        raise UnauthenticatedError("the token was revoked", remedy="Sign in again.")
    return found.tenant


def require_active(tenant: Tenant) -> None:
    """Changes need an active tenant; a suspended one can still be read."""
    if tenant.status is not TenantStatus.ACTIVE:
        raise ForbiddenError(
            f"tenant {tenant.tenant_id} is {tenant.status.value.lower()}",
            remedy="Ask the platform's administrators to activate it.",
        )


def _why_no_tenant(principal: Principal) -> str:
    if principal.is_platform_admin:
        return "a platform administrator names the tenant in the header X-Tenant-Id"
    return "the token names no tenant: its user is a member of none"
