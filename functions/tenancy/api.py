"""HTTP API of the platform itself: is it there, and who am I."""

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel

from controlplane.runtime.caller import reading_caller
from controlplane.runtime.http import BASE, answer, create_api, serve
from controlplane.tenancy.model import TenantStatus, TierLimits

api = create_api()


class Health(BaseModel):
    status: str = "ok"


class Me(BaseModel):
    """The caller, as the platform knows it."""

    username: str
    subject: str
    tenant: str
    tenant_status: TenantStatus
    tier: str
    limits: TierLimits
    roles: list[str]


@api.get(f"{BASE}/healthz", summary="Whether the API answers", tags=["platform"], security=[])
def get_health() -> Response[Health]:
    return answer(Health())


@api.get(f"{BASE}/me", summary="Who the caller is, and what its tenant may use", tags=["platform"])
def get_me() -> Response[Me]:
    caller = reading_caller(api.current_event)
    me = Me(
        username=caller.principal.username,
        subject=caller.subject,
        tenant=caller.tenant_id,
        tenant_status=caller.tenant.status,
        tier=caller.tenant.tier,
        limits=caller.tenant.limits,
        roles=sorted(caller.principal.roles),
    )
    return answer(me)


lambda_handler = serve(api)
