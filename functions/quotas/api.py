"""HTTP API of use against limits: the caller's tenant's, or the whole platform's."""

from collections.abc import Sequence
from typing import Annotated, Self

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel

from controlplane.limits import Limits
from controlplane.quotas.model import RecentChange, TenantUse, Use
from controlplane.runtime.caller import PlatformCaller, known_principal
from controlplane.runtime.http import (
    BASE,
    Cursor,
    Listing,
    answer,
    create_api,
    listing,
    page_request,
    serve,
)
from controlplane.runtime.wiring.quotas import change_history, tenant_directory, use_counter
from controlplane.tenancy.model import Tenant

RECENT_CHANGES = 20
TENANTS_A_PAGE = 50

api = create_api()


class QuotaView(BaseModel):
    """One quota; bytes for `stored_bytes`, else pieces."""

    quota: str
    used: int
    limit: int


class TenantUseView(BaseModel):
    """What a tenant uses of what it may use."""

    tenant: str
    status: str
    tier: str
    quotas: list[QuotaView]

    @classmethod
    def of(cls, found: TenantUse) -> Self:
        return cls(
            tenant=found.tenant_id,
            status=found.status,
            tier=found.tier,
            quotas=_quotas(found.use, found.limits),
        )


class ChangeView(BaseModel):
    """Something that happened of late, as the audit trail tells it."""

    at: str
    action: str
    resource: str
    actor: str

    @classmethod
    def of(cls, change: RecentChange) -> Self:
        return cls(at=change.at, action=change.action, resource=change.resource, actor=change.actor)


class Overview(BaseModel):
    """The tenant with its last changes; for a platform administrator who names none, a page of all tenants."""

    tenant: TenantUseView | None = None
    recent_changes: list[ChangeView] | None = None
    tenants: Listing[TenantUseView] | None = None


@api.get(
    f"{BASE}/overview",
    summary="What is used of what may be used, and what happened of late",
    tags=["platform"],
    operation_id="getOverview",
)
def get_overview(
    limit: Annotated[
        int, Query(ge=1, le=TENANTS_A_PAGE, description="At most so many tenants")
    ] = TENANTS_A_PAGE,
    cursor: Cursor = "",
) -> Response[Overview]:
    principal, tenant = known_principal(api)
    if tenant is None:
        caller = PlatformCaller(principal)
        page = tenant_directory().list_use(page_request(api, caller, limit, cursor))
        return answer(Overview(tenants=listing(api, caller, page, TenantUseView.of)))
    recent = change_history().list_recent(tenant.tenant_id, RECENT_CHANGES)
    return answer(_of_tenant(tenant, use_counter().get(tenant.tenant_id).use, recent))


def _of_tenant(tenant: Tenant, use: Use, recent: Sequence[RecentChange]) -> Overview:
    return Overview(
        tenant=TenantUseView(
            tenant=tenant.tenant_id,
            status=tenant.status,
            tier=tenant.tier,
            quotas=_quotas(use, tenant.limits),
        ),
        recent_changes=[ChangeView.of(change) for change in recent],
    )


def _quotas(use: Use, limits: Limits) -> list[QuotaView]:
    return [
        QuotaView(quota=name, used=used, limit=getattr(limits, name))
        for name, used in use.model_dump().items()
    ]


lambda_handler = serve(api)
