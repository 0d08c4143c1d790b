"""HTTP API of webhooks and of what was delivered to them."""

import json
from functools import cache
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel

from controlplane.identifiers import Name
from controlplane.runtime.caller import permitted_caller
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
from controlplane.runtime.wiring import webhooks as wired
from controlplane.webhooks.model import (
    Delivery,
    DeliveryId,
    Webhook,
    WebhookChange,
    WebhookRequest,
)
from controlplane.webhooks.service import (
    Rules,
    ShownSecret,
    change_webhook,
    create_webhook,
    delete_webhook,
    ping_webhook,
    redeliver,
    rotate_secret,
)
from controlplane.webhooks.views import (
    DeliveryDetailsView,
    DeliveryView,
    NewSecretView,
    WebhookView,
)

PATH = f"{BASE}/webhooks"
WEBHOOK = f"{PATH}/<webhook>"
DELIVERIES = f"{WEBHOOK}/deliveries"
# Generated with the other contracts: the events of the registry and of serving.
KNOWN_EVENTS = FilePath(__file__).with_name("event_types.json")
WebhookName = Annotated[Name, Path(description="The webhook's name")]
DeliveryName = Annotated[DeliveryId, Path(description="The delivery's identifier")]

api = create_api()


class _NoBody(BaseModel):
    """What an operation without a body is asked with."""


@cache
def _known_events() -> frozenset[str]:
    return frozenset(json.loads(KNOWN_EVENTS.read_text()))


def _rules() -> Rules:
    return Rules(_known_events(), allow_loopback=wired.loopback_allowed())


def _answer(webhook: Webhook) -> Response[WebhookView]:
    return answer(WebhookView.of(webhook), etag=webhook.version)


def _shown_once(
    made: ShownSecret, status: HTTPStatus, location: str = ""
) -> Response[NewSecretView]:
    shown = answer(
        NewSecretView.shown(made), status=status, etag=made.webhook.version, location=location
    )
    shown.headers["Cache-Control"] = "no-store"
    return shown


def _accepted(delivery: Delivery) -> Response[DeliveryView]:
    return answer(
        DeliveryView.of(delivery),
        status=HTTPStatus.CREATED,
        location=f"{PATH}/{delivery.webhook}/deliveries/{delivery.delivery_id}",
    )


@api.post(
    PATH,
    operation_id="createWebhook",
    summary="Create a webhook; the secret that signs its messages is shown in this answer alone",
    openapi_extensions={"x-shown-once": True},
    tags=["webhooks"],
    status_code=201,
)
def post_webhook(wanted: WebhookRequest) -> Response[NewSecretView]:
    caller = permitted_caller(api)
    request = idempotent_request(api, caller, wanted)
    made = create_webhook(
        caller.tenant_id,
        wanted,
        caller.subject,
        request,
        rules=_rules(),
        webhooks=wired.webhook_repository(),
        keys=wired.webhook_signing_keys(),
    )
    return _shown_once(made, HTTPStatus.CREATED, f"{PATH}/{made.webhook.name}")


@api.get(
    PATH,
    operation_id="listWebhooks",
    summary="List the tenant's webhooks by name",
    tags=["webhooks"],
)
def list_webhooks(limit: Limit = 100, cursor: Cursor = "") -> Response[Listing[WebhookView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = wired.webhook_repository().list(caller.tenant_id, asked)
    return answer(listing(api, caller, page, WebhookView.of))


@api.get(WEBHOOK, operation_id="getWebhook", summary="Look a webhook up", tags=["webhooks"])
def get_webhook(webhook: WebhookName) -> Response[WebhookView]:
    caller = permitted_caller(api)
    return _answer(wired.webhook_repository().get(caller.tenant_id, webhook))


@api.patch(
    WEBHOOK,
    operation_id="changeWebhook",
    summary="Change a webhook, disable or enable it",
    tags=["webhooks"],
)
def patch_webhook(webhook: WebhookName, wanted: WebhookChange) -> Response[WebhookView]:
    caller = permitted_caller(api)
    changed = change_webhook(
        caller.tenant_id,
        webhook,
        wanted,
        if_match(api),
        rules=_rules(),
        webhooks=wired.webhook_repository(),
    )
    return _answer(changed)


@api.delete(
    WEBHOOK,
    operation_id="deleteWebhook",
    summary="Delete a webhook; what still waits for it is cancelled",
    tags=["webhooks"],
    status_code=204,
)
def remove_webhook(webhook: WebhookName) -> Response[None]:
    caller = permitted_caller(api)
    delete_webhook(caller.tenant_id, webhook, if_match(api), webhooks=wired.webhook_repository())
    return no_content()


@api.post(
    f"{WEBHOOK}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Give a webhook a new secret, shown in this answer alone; the old one is valid for a day",
    openapi_extensions={"x-shown-once": True, "x-creates-nothing": True, "x-if-match": True},
    tags=["webhooks"],
)
def post_rotation(webhook: WebhookName) -> Response[NewSecretView]:
    caller = permitted_caller(api)
    rotated = rotate_secret(
        caller.tenant_id,
        webhook,
        if_match(api),
        webhooks=wired.webhook_repository(),
        keys=wired.webhook_signing_keys(),
    )
    return _shown_once(rotated, HTTPStatus.OK)


@api.post(
    f"{WEBHOOK}/test",
    operation_id="testWebhook",
    summary="Send a ping to a webhook, once, also to a disabled one",
    tags=["webhooks"],
    status_code=201,
)
def post_test(webhook: WebhookName) -> Response[DeliveryView]:
    caller = permitted_caller(api)
    asked = ping_webhook(
        caller.tenant_id,
        webhook,
        idempotent_request(api, caller, _NoBody()),
        webhooks=wired.webhook_repository(),
        log=wired.delivery_log(),
    )
    return _accepted(asked)


@api.get(
    DELIVERIES,
    operation_id="listWebhookDeliveries",
    summary="List what was sent to a webhook in the last 30 days, the latest first",
    tags=["webhooks"],
)
def list_deliveries(
    webhook: WebhookName, limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[DeliveryView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = wired.delivery_log().list(caller.tenant_id, webhook, asked)
    return answer(listing(api, caller, page, DeliveryView.of))


@api.get(
    f"{DELIVERIES}/<delivery>",
    operation_id="getWebhookDelivery",
    summary="Look a delivery up, with its attempts and what was posted",
    tags=["webhooks"],
)
def get_delivery(webhook: WebhookName, delivery: DeliveryName) -> Response[DeliveryDetailsView]:
    caller = permitted_caller(api)
    found = wired.delivery_log().get(caller.tenant_id, webhook, delivery)
    return answer(DeliveryDetailsView.of(found))


@api.post(
    f"{DELIVERIES}/<delivery>/redeliver",
    operation_id="redeliverWebhookDelivery",
    summary="Send what a delivery held once more, as a delivery of its own",
    tags=["webhooks"],
    status_code=201,
)
def post_redelivery(webhook: WebhookName, delivery: DeliveryName) -> Response[DeliveryView]:
    caller = permitted_caller(api)
    request = idempotent_request(api, caller, _NoBody())
    return _accepted(
        redeliver(caller.tenant_id, webhook, delivery, request, log=wired.delivery_log())
    )


lambda_handler = serve(api)
