"""HTTP API of tiers, of the rights to them, and of the limits that follow."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from controlplane.identifiers import Name
from controlplane.runtime.caller import permitted_caller, platform_caller
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
    no_content,
    page_request,
    serve,
)
from controlplane.runtime.wiring.tiers import (
    own_subscriptions,
    recent_tiers,
    subscription_repository,
    tier_repository,
)
from controlplane.tiers.model import SubscriptionRequest, TierChange, TierRequest
from controlplane.tiers.service import (
    change_tier,
    create_tier,
    delete_tier,
    map_group,
    retry_propagation,
    tiers_of_groups,
    unmap_group,
)
from controlplane.tiers.subscriptions import delete_subscription, get_limits, put_subscription
from controlplane.tiers.views import LimitsView, SubscriptionView, TierStateView, TierView

TIERS = f"{BASE}/tiers"
TIER = f"{TIERS}/<tier>"
GROUP = f"{TIER}/groups/<group>"
SUBSCRIPTIONS = f"{BASE}/subscriptions"
TierName = Annotated[Name, Path(description="The tier's name")]
GroupName = Annotated[Name, Path(description="The group's name, as the identity provider says it")]
Subscriber = Annotated[
    Name, Path(description="`tenant` for the tenant itself, or the name of one of its groups")
]
Groups = Annotated[list[Name], Query(max_length=20, description="Groups, each named once")]

LOWERING = (
    "Tenants of the tier get changed limits by and by, which `propagation` shows. A limit below what is in use takes "
    "nothing away: what exists stays, and new claims are refused until use has fallen."
)

api = create_api()


@api.post(
    TIERS, operation_id="createTier", summary="Create a tier", tags=["tiers"], status_code=201
)
def post_tier(wanted: TierRequest) -> Response[TierView]:
    caller = platform_caller(api)
    request = idempotent_request(api, caller, wanted)
    tier = create_tier(wanted, caller.subject, request, tiers=tier_repository())
    return answer(
        TierView.of(tier),
        status=HTTPStatus.CREATED,
        etag=tier.version,
        location=f"{TIERS}/{tier.name}",
    )


@api.get(
    TIERS,
    operation_id="listTiers",
    summary="List tiers by name, or those that groups map to, the highest level first",
    tags=["tiers"],
)
def list_tiers(
    group: Groups = [],  # noqa: B006 - the framework reads it, nobody changes it
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[Listing[TierView]]:
    caller = platform_caller(api)
    if group:
        found = tiers_of_groups(group, tiers=tier_repository())
        return answer(Listing(items=[TierView.of(tier) for tier in found]))
    page = tier_repository().list(page_request(api, caller, limit, cursor))
    return answer(listing(api, caller, page, TierView.of))


@api.get(
    TIER,
    operation_id="getTier",
    summary="Look a tier up, with who uses it and how its last change goes",
    tags=["tiers"],
)
def get_tier(tier: TierName) -> Response[TierStateView]:
    platform_caller(api)
    found, use = tier_repository().find_with_use(tier)
    return answer(TierStateView.in_use(found, use), etag=found.version)


@api.patch(
    TIER, operation_id="changeTier", summary="Change a tier", description=LOWERING, tags=["tiers"]
)
def patch_tier(tier: TierName, change: TierChange) -> Response[TierStateView]:
    platform_caller(api)
    changed, use = change_tier(tier, change, if_match(api), tiers=tier_repository())
    return answer(TierStateView.in_use(changed, use), etag=changed.version)


@api.delete(
    TIER,
    operation_id="deleteTier",
    summary="Delete a tier that nobody has and no group maps to",
    tags=["tiers"],
    status_code=204,
)
def remove_tier(tier: TierName) -> Response[None]:
    caller = platform_caller(api)
    delete_tier(tier, caller.subject, if_match(api), tiers=tier_repository())
    return no_content()


@api.post(
    f"{TIER}/propagation",
    operation_id="retryPropagation",
    summary="Apply the tier's limits to all its tenants again, the failed ones too",
    openapi_extensions={"x-creates-nothing": True},
    tags=["tiers"],
    status_code=202,
)
def post_propagation(tier: TierName) -> Response[TierStateView]:
    platform_caller(api)
    changed, use = retry_propagation(tier, tiers=tier_repository())
    return answer(
        TierStateView.in_use(changed, use), status=HTTPStatus.ACCEPTED, etag=changed.version
    )


@api.put(
    GROUP,
    operation_id="mapGroup",
    summary="Give the people of a group, in every tenant, a right to the tier",
    tags=["tiers"],
)
def put_group(tier: TierName, group: GroupName) -> Response[TierView]:
    platform_caller(api)
    mapped = map_group(tier, group, if_match(api), tiers=tier_repository())
    return answer(TierView.of(mapped), etag=mapped.version)


@api.delete(
    GROUP,
    operation_id="unmapGroup",
    summary="Take a group's right to the tier away",
    tags=["tiers"],
    status_code=204,
)
def remove_group(tier: TierName, group: GroupName) -> Response[None]:
    platform_caller(api)
    unmap_group(tier, group, if_match(api), tiers=tier_repository())
    return no_content()


@api.get(
    SUBSCRIPTIONS,
    operation_id="listSubscriptions",
    summary="List the tiers that the tenant and its groups have",
    tags=["tiers"],
)
def list_subscriptions(
    limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[SubscriptionView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = own_subscriptions().list(caller.tenant_id, asked)
    return answer(listing(api, caller, page, SubscriptionView.of))


@api.put(
    f"{SUBSCRIPTIONS}/<subscriber>",
    operation_id="putSubscription",
    summary="Give the tenant, or one of its groups, a tier",
    description=(
        "The tenant's limits are others at once; the cluster's objects follow, which `cluster` shows. A limit below "
        "what is in use takes nothing away: what exists stays, and new claims are refused until use has fallen. A tier "
        "of another isolation moves the tenant's models to other nodes."
    ),
    tags=["tiers"],
)
def change_subscription(
    subscriber: Subscriber, wanted: SubscriptionRequest
) -> Response[SubscriptionView]:
    caller = permitted_caller(api)
    changed = put_subscription(
        caller.tenant_id,
        subscriber,
        wanted,
        if_match(api),
        subscriptions=subscription_repository(),
    )
    return answer(SubscriptionView.of(changed), etag=changed.version)


@api.delete(
    f"{SUBSCRIPTIONS}/<subscriber>",
    operation_id="deleteSubscription",
    summary="Take the tier of one of the tenant's groups away",
    tags=["tiers"],
    status_code=204,
)
def remove_subscription(subscriber: Subscriber) -> Response[None]:
    caller = permitted_caller(api)
    delete_subscription(
        caller.tenant_id, subscriber, if_match(api), subscriptions=subscription_repository()
    )
    return no_content()


@api.get(
    f"{BASE}/limits",
    operation_id="getLimits",
    summary="See which limits hold, for somebody in these groups, and which rule gives each",
    tags=["tiers"],
)
def show_limits(
    group: Groups = [],  # noqa: B006 - the framework reads it, nobody changes it
) -> Response[LimitsView]:
    caller = permitted_caller(api)
    found = get_limits(
        caller.tenant_id, group, subscriptions=own_subscriptions(), tiers=recent_tiers()
    )
    return answer(LimitsView.of(found, caller.tenant.limits))


lambda_handler = serve(api)
