"""Who is calling, from the claims that the API's authorizer has verified, and whether the policies permit it."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from controlplane.authorization.decision import platform_resource, resource_of, tenant_resource
from controlplane.errors import UnauthenticatedError
from controlplane.events import act_as
from controlplane.identifiers import PLATFORM
from controlplane.runtime.observability import logger
from controlplane.runtime.permission import path_parameters, require_permission
from controlplane.runtime.wiring.tables import use_platform, use_tenant
from controlplane.runtime.wiring.tenancy import access_repository
from controlplane.tenancy.model import Admission, Principal, Role, Tenant
from controlplane.tenancy.service import admit_platform_admin, admit_principal

# The authorizer takes Cognito's ID tokens as well: their audience is the same client.
ACCESS = "access"


@dataclass(frozen=True)
class Caller:
    """A principal that may work on a tenant."""

    admission: Admission

    @property
    def principal(self) -> Principal:
        return self.admission.principal

    @property
    def tenant(self) -> Tenant:
        return self.admission.tenant

    @property
    def tenant_id(self) -> str:
        return self.tenant.tenant_id

    @property
    def subject(self) -> str:
        return self.principal.subject


@dataclass(frozen=True)
class PlatformCaller:
    """A principal that may work on the platform itself."""

    principal: Principal
    tenant_id: str = PLATFORM

    @property
    def subject(self) -> str:
        return self.principal.subject


def permitted_caller(api: APIGatewayHttpResolver) -> Caller:
    """The caller, if it may carry out the operation that is being answered, on the tenant it works for.

    Raises UnauthenticatedError, ForbiddenError.
    """
    admission = _admit(api.current_event)
    resource = resource_of(admission.tenant.tenant_id, path_parameters(api))
    require_permission(api, admission.principal, admission, resource)
    return Caller(admission)


def require_right_in_project(
    api: APIGatewayHttpResolver, caller: Caller, project: str, operation: str
) -> None:
    """Ask for the right to another operation, on a project, which what is asked for amounts to.

    Raises PolicyDeniedError.
    """
    resource = resource_of(caller.tenant_id, {"project": project})
    require_permission(api, caller.principal, caller.admission, resource, operation)


def platform_caller(api: APIGatewayHttpResolver) -> PlatformCaller:
    """The caller, if it may carry out the operation that is being answered, on the platform itself.

    Members of tenants are asked about like everyone: the policies refuse them. Raises UnauthenticatedError,
    ForbiddenError.
    """
    event = api.current_event
    principal = principal_of(event)
    if principal.is_platform_admin:
        _admit_to_platform(principal)
        admission = None
    else:
        admission = _admit(event)
        principal = admission.principal
    tenant_id = path_parameters(api).get("tenant")
    resource = tenant_resource(tenant_id) if tenant_id else platform_resource()
    require_permission(api, principal, admission, resource)
    return PlatformCaller(principal)


def known_principal(api: APIGatewayHttpResolver) -> tuple[Principal, Tenant | None]:
    """The caller of an operation on a tenant or the platform.

    Without a tenant, it is a platform administrator who names none. Raises UnauthenticatedError, ForbiddenError.
    """
    event = api.current_event
    principal = principal_of(event)
    if not principal.is_platform_admin or event.headers.get("x-tenant-id"):
        caller = permitted_caller(api)
        return caller.principal, caller.tenant
    _admit_to_platform(principal)
    require_permission(api, principal, None, platform_resource())
    return principal, None


def principal_of(event: APIGatewayProxyEventV2) -> Principal:
    """Raises UnauthenticatedError where no authorizer has verified a token."""
    authorizer = event.request_context.authorizer
    claims = authorizer.jwt_claim if authorizer else None
    if not claims or not claims.get("sub"):
        raise UnauthenticatedError("the request carries no verified token")
    if claims.get("token_use") != ACCESS:
        raise UnauthenticatedError(
            "the token is none for the API", remedy="Send the access token, not the ID token."
        )
    named = str(claims.get("roles") or "").split()
    return Principal(
        subject=str(claims["sub"]),
        username=str(claims.get("username") or claims["sub"]),
        tenant_id=str(claims["tenant_id"]) if claims.get("tenant_id") else None,
        roles=frozenset(role for role in Role if role in named),
        issued_at=_issued_at(claims),
        refusal=str(claims["refusal"]) if claims.get("refusal") else None,
        mfa=str(claims.get("mfa")) == "true",
    )


def _issued_at(claims: Mapping[str, object]) -> int:
    """When the bearer signed in: a refresh issues a newer token of the same session, which a revocation ends too."""
    issued_at = int(str(claims.get("iat") or 0))
    return min(issued_at, int(str(claims.get("auth_time") or issued_at)))


def _admit(event: APIGatewayProxyEventV2) -> Admission:
    """Let the caller in to the tenant that the request works on."""
    principal = principal_of(event)
    requested = event.headers.get("x-tenant-id")
    use_tenant((requested if principal.is_platform_admin else principal.tenant_id) or "")
    admission = admit_principal(principal, requested, access=access_repository())
    logger.append_keys(tenant_id=admission.tenant.tenant_id)
    act_as(admission.principal.actor)
    if principal.is_platform_admin:
        logger.info("platform administrator works on a tenant", extra={"sub": principal.subject})
    return admission


def _admit_to_platform(principal: Principal) -> None:
    admit_platform_admin(principal, access=access_repository())
    use_platform()
    act_as(principal.actor)
