"""Who may call, and for which tenant."""

from controlplane.errors import ForbiddenError, MfaRequiredError, UnauthenticatedError
from controlplane.identifiers import now
from controlplane.tenancy.model import (
    USABLE,
    Access,
    Admission,
    Principal,
    PrincipalRecord,
    Role,
)
from controlplane.tenancy.ports import AccessRepository


def admit_principal(
    principal: Principal, requested_tenant: str | None, *, access: AccessRepository
) -> Admission:
    """Let a caller in to the tenant that its request works on.

    A platform administrator names it (`X-Tenant-Id`); for everyone else it is the token's, whatever they name.
    Raises UnauthenticatedError for a revoked token or a disabled principal, MfaRequiredError, ForbiddenError without
    a usable tenant.
    """
    if principal.is_platform_admin:
        return _admit_from_outside(principal, requested_tenant, access)
    if principal.refusal == MfaRequiredError.code:
        raise MfaRequiredError(
            "your tenant asks for a second factor, and you have set up none",
            remedy="Set up an authenticator app for your user, then sign in again.",
        )
    if not principal.tenant_id:
        raise ForbiddenError("the token names no tenant: its user is a member of none")
    found = access.get_access(principal.tenant_id, principal.subject)
    if found is None:
        raise ForbiddenError(f"there is no tenant {principal.tenant_id}")
    require_unrevoked(principal, found.principal, found.tenant.revoked_before)
    if found.tenant.status not in USABLE:
        raise ForbiddenError(f"tenant {principal.tenant_id} is {found.tenant.status.value.lower()}")
    return _admitted(principal.narrowed(found.principal), found)


def admit_platform_admin(principal: Principal, *, access: AccessRepository) -> Principal:
    """Let a platform administrator in to the platform itself.

    Raises ForbiddenError for anyone else, UnauthenticatedError for a revoked token.
    """
    principal.require(frozenset({Role.PLATFORM_ADMIN}))
    require_unrevoked(principal, access.find_platform_principal(principal.subject))
    return principal


def require_unrevoked(
    principal: Principal, record: PrincipalRecord | None, revoked_before: int = 0
) -> None:
    """Raises UnauthenticatedError if the token or its bearer counts no more.

    A principal without a record has nothing revoked. `revoked_before` is the tenant's, in seconds since the epoch.
    """
    if record is not None:
        if not record.is_usable(now()):
            raise _revoked()
        revoked_before = max(revoked_before, record.revoked_before)
    if principal.issued_at < revoked_before:
        raise _revoked()


def _admit_from_outside(
    principal: Principal, requested_tenant: str | None, access: AccessRepository
) -> Admission:
    """A tenant's revocations do not lock the platform out; the administrator's own lie with the platform."""
    if not requested_tenant:
        raise ForbiddenError("a platform administrator names the tenant in the header X-Tenant-Id")
    admit_platform_admin(principal, access=access)
    found = access.get_access(requested_tenant, principal.subject)
    if found is None:
        raise ForbiddenError(f"there is no tenant {requested_tenant}")
    return _admitted(principal, found)


def _admitted(principal: Principal, found: Access) -> Admission:
    return Admission(principal, found.tenant, found.policies, found.policies_digest)


def _revoked() -> UnauthenticatedError:
    return UnauthenticatedError("the token was revoked", remedy="Sign in again.")
