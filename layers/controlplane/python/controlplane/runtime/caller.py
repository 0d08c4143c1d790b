"""Who is calling, from the claims that the API's authorizer has verified."""

from dataclasses import dataclass

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from controlplane.errors import UnauthenticatedError
from controlplane.events import act_as
from controlplane.runtime.observability import logger
from controlplane.runtime.wiring.tenancy import access_repository
from controlplane.tenancy.model import READERS, WRITERS, Principal, Role, Tenant
from controlplane.tenancy.service import admit_principal, require_active


@dataclass(frozen=True)
class Caller:
    """A principal that may work on a tenant."""

    principal: Principal
    tenant: Tenant

    @property
    def tenant_id(self) -> str:
        return self.tenant.tenant_id

    @property
    def subject(self) -> str:
        return self.principal.subject


def permitted_caller(api: APIGatewayHttpResolver) -> Caller:
    """The caller, if it may carry out the operation that is being answered.

    Raises UnauthenticatedError, ForbiddenError.
    """
    event = api.current_event
    caller = _caller(event)
    changes = event.http_method != "GET"
    caller.principal.require(WRITERS if changes else READERS)
    if changes:
        require_active(caller.tenant)
    return caller


def platform_caller(api: APIGatewayHttpResolver) -> Principal:
    """The platform administrator who asks for an operation on the platform itself.

    Raises UnauthenticatedError, ForbiddenError.
    """
    principal = principal_of(api.current_event)
    principal.require(frozenset({Role.PLATFORM_ADMIN}))
    act_as(principal.actor)
    return principal


def known_principal(event: APIGatewayProxyEventV2) -> tuple[Principal, Tenant | None]:
    """Who calls; without a tenant for a platform administrator who names none."""
    principal = principal_of(event)
    if principal.is_platform_admin and not event.headers.get("x-tenant-id"):
        return principal, None
    return principal, _caller(event).tenant


def principal_of(event: APIGatewayProxyEventV2) -> Principal:
    """Raises UnauthenticatedError where no authorizer has verified a token."""
    authorizer = event.request_context.authorizer
    claims = authorizer.jwt_claim if authorizer else None
    if not claims or not claims.get("sub"):
        raise UnauthenticatedError("the request carries no verified token")
    named = str(claims.get("roles") or "").split()
    return Principal(
        subject=str(claims["sub"]),
        username=str(claims.get("username") or claims["sub"]),
        tenant_id=str(claims["tenant_id"]) if claims.get("tenant_id") else None,
        roles=frozenset(role for role in Role if role in named),
        issued_at=int(str(claims.get("iat") or 0)),
    )


def _caller(event: APIGatewayProxyEventV2) -> Caller:
    principal = principal_of(event)
    requested = event.headers.get("x-tenant-id")
    tenant = admit_principal(principal, requested, access=access_repository())
    logger.append_keys(tenant_id=tenant.tenant_id)
    act_as(principal.actor)
    if principal.is_platform_admin:
        logger.info("platform administrator works on a tenant", extra={"sub": principal.subject})
    return Caller(principal, tenant)
