"""HTTP API of the platform itself: is it there, and who am I."""

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel

from controlplane.limits import Limits
from controlplane.runtime.caller import known_principal
from controlplane.runtime.http import BASE, answer, create_api, serve
from controlplane.tenancy.model import TenantStatus

api = create_api()


class Health(BaseModel):
    status: str = "ok"


class TenantView(BaseModel):
    """The tenant that the caller works on, and what its tier allows; sizes in bytes."""

    tenant: str
    status: TenantStatus
    tier: str
    limits: Limits


class Me(BaseModel):
    """The caller, as the platform knows it. A platform administrator who names no tenant has none."""

    username: str
    subject: str
    roles: list[str]
    tenant: TenantView | None


@api.get(
    f"{BASE}/healthz",
    operation_id="getHealth",
    summary="Whether the API answers",
    tags=["platform"],
    openapi_extensions={"x-open": True},
)
def get_health() -> Response[Health]:
    return answer(Health())


@api.get(
    f"{BASE}/me",
    operation_id="getMe",
    summary="Who the caller is, and what its tenant may use",
    tags=["platform"],
)
def get_me() -> Response[Me]:
    principal, tenant = known_principal(api)
    me = Me(
        username=principal.username,
        subject=principal.subject,
        roles=sorted(principal.roles),
        tenant=tenant
        and TenantView(
            tenant=tenant.tenant_id,
            status=tenant.status,
            tier=tenant.tier,
            limits=tenant.limits,
        ),
    )
    return answer(me)


lambda_handler = serve(api)
