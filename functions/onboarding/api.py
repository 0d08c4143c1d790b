"""HTTP API of the platform: tenants and their life."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from controlplane.identifiers import TenantId
from controlplane.onboarding.model import SuspensionRequest, TenantChange, TenantRequest
from controlplane.onboarding.service import (
    activate_tenant,
    change_tenant,
    create_tenant,
    offboard_tenant,
    revoke_tokens,
    suspend_tenant,
)
from controlplane.onboarding.views import SuspendedTenantView, TenantSummaryView, TenantView
from controlplane.runtime.caller import platform_caller
from controlplane.runtime.http import (
    BASE,
    Cursor,
    Limit,
    Listing,
    answer,
    create_api,
    idempotent_request,
    if_match,
    listing,
    page_request,
    serve,
)
from controlplane.runtime.wiring.onboarding import tenant_records

PATH = f"{BASE}/tenants"
ONE = f"{PATH}/<tenant>"
TenantName = Annotated[TenantId, Path(description="The tenant's name")]

api = create_api()


@api.post(
    PATH,
    summary="Create a tenant, or resume one that could not be made",
    tags=["tenants"],
    operation_id="createTenant",
    status_code=202,
)
def post_tenant(wanted: TenantRequest) -> Response[TenantView]:
    caller = platform_caller(api)
    request = idempotent_request(api, caller, wanted)
    tenant = create_tenant(wanted, caller.subject, request, tenants=tenant_records())
    return answer(
        TenantView.of(tenant),
        status=HTTPStatus.ACCEPTED,
        etag=tenant.version,
        location=f"{PATH}/{tenant.tenant_id}",
    )


@api.get(
    PATH,
    summary="List all tenants by name, those that have gone included",
    tags=["tenants"],
    operation_id="listTenants",
)
def list_tenants(limit: Limit = 100, cursor: Cursor = "") -> Response[Listing[TenantSummaryView]]:
    caller = platform_caller(api)
    page = tenant_records().list(page_request(api, caller, limit, cursor))
    return answer(listing(api, caller, page, TenantSummaryView.of))


@api.get(
    ONE,
    summary="Look a tenant up, with the steps of its on- or offboarding",
    tags=["tenants"],
    operation_id="getTenant",
)
def get_tenant(tenant: TenantName) -> Response[TenantView]:
    platform_caller(api)
    found = tenant_records().get(tenant)
    return answer(TenantView.of(found), etag=found.version)


@api.patch(
    ONE,
    summary="Change a tenant's display name or whether its people need a second factor",
    tags=["tenants"],
    operation_id="changeTenant",
)
def patch_tenant(tenant: TenantName, wanted: TenantChange) -> Response[TenantView]:
    caller = platform_caller(api)
    changed = change_tenant(tenant, wanted, caller.subject, if_match(api), tenants=tenant_records())
    return answer(TenantView.of(changed), etag=changed.version)


@api.post(
    f"{ONE}/suspend",
    summary="Suspend a tenant: refuse its changes and, by choice, stop its serving",
    tags=["tenants"],
    operation_id="suspendTenant",
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
)
def post_suspension(tenant: TenantName, wanted: SuspensionRequest) -> Response[SuspendedTenantView]:
    caller = platform_caller(api)
    found, used = tenant_records().get_with_quotas(tenant)
    suspended = suspend_tenant(
        found, wanted, caller.subject, if_match(api), tenants=tenant_records()
    )
    return answer(SuspendedTenantView.of_suspended(suspended, used), etag=suspended.version)


@api.post(
    f"{ONE}/activate",
    summary="End a tenant's suspension and resume its serving",
    tags=["tenants"],
    operation_id="activateTenant",
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
)
def post_activation(tenant: TenantName) -> Response[TenantView]:
    caller = platform_caller(api)
    activated = activate_tenant(tenant, caller.subject, if_match(api), tenants=tenant_records())
    return answer(TenantView.of(activated), etag=activated.version)


@api.post(
    f"{ONE}/revoke-tokens",
    summary="Refuse all tokens that the tenant's people and machines hold now",
    tags=["tenants"],
    operation_id="revokeTenantTokens",
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
)
def post_revocation(tenant: TenantName) -> Response[TenantView]:
    caller = platform_caller(api)
    revoked = revoke_tokens(tenant, caller.subject, if_match(api), tenants=tenant_records())
    return answer(TenantView.of(revoked), etag=revoked.version)


@api.delete(
    ONE,
    summary="Offboard a tenant: export its records and remove all it has",
    tags=["tenants"],
    operation_id="offboardTenant",
    status_code=202,
)
def remove_tenant(tenant: TenantName) -> Response[TenantView]:
    caller = platform_caller(api)
    leaving = offboard_tenant(tenant, caller.subject, if_match(api), tenants=tenant_records())
    return answer(TenantView.of(leaving), status=HTTPStatus.ACCEPTED, etag=leaving.version)


lambda_handler = serve(api)
