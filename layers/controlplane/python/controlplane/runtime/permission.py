"""The question to the policies, made of the route that is being answered and of who asks."""

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.api_gateway import Route

from controlplane.authorization.decision import (
    Caller,
    Circumstances,
    Request,
    Resource,
    Restrictions,
)
from controlplane.authorization.service import authorize
from controlplane.errors import PolicyDeniedError
from controlplane.identifiers import PLATFORM, now
from controlplane.runtime.denials import note_denial
from controlplane.runtime.observability import logger
from controlplane.runtime.wiring.authorization import policy_engine
from controlplane.tenancy.model import Admission, Principal, PrincipalKind


def path_parameters(api: APIGatewayHttpResolver) -> dict[str, str]:
    """What stands in the path: nothing of the query or the body, whatever their names are."""
    arguments = api.context["_route_args"]
    return {name: str(arguments[name]) for name in _route(api).rule.groupindex}


def require_permission(
    api: APIGatewayHttpResolver,
    principal: Principal,
    admission: Admission | None,
    resource: Resource,
    operation: str | None = None,
) -> None:
    """Ask the policies whether the principal may carry out an operation on the resource: by default, this one.

    `admission` is that to the tenant worked on; None on the platform itself. Raises PolicyDeniedError.
    """
    request = Request(
        _caller(principal, admission),
        operation or _route(api).operation_id,
        resource,
        _circumstances(api, principal, admission),
    )
    restrictions = _restrictions(admission) if admission else None
    try:
        authorize(request, restrictions, engine=policy_engine())
    except PolicyDeniedError as denied:
        if denied.errors:
            logger.error("policies could not decide", extra={"errors": denied.errors})
        of = admission.tenant.tenant_id if admission else PLATFORM
        note_denial(of, principal.actor, request.action, resource.path)
        raise


def _route(api: APIGatewayHttpResolver) -> Route:
    """Powertools keeps the route that it answers in the context of the request; a test guards that it does."""
    route: Route = api.context["_route"]
    return route


def _caller(principal: Principal, admission: Admission | None) -> Caller:
    return Caller(
        type="Key" if principal.kind is PrincipalKind.KEY else "User",
        id=principal.subject,
        name=principal.name or principal.username,
        roles=principal.roles,
        tenant_id=admission.tenant.tenant_id if admission else None,
        machine=principal.machine or "",
        scopes=principal.scopes or frozenset(),
    )


def _restrictions(admission: Admission) -> Restrictions:
    return Restrictions(admission.tenant.tenant_id, admission.policies_digest, admission.policies)


def _circumstances(
    api: APIGatewayHttpResolver, principal: Principal, admission: Admission | None
) -> Circumstances:
    return Circumstances(
        mfa=principal.mfa,
        mfa_required=admission.tenant.require_mfa if admission else False,
        tenant_status=admission.tenant.status.value if admission else None,
        source_ip=api.current_event.request_context.http.source_ip,
        time=now(),
    )
