"""What a tenant's administrators do with webhooks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from secrets import token_hex

from controlplane.errors import (
    ConflictError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    RequestInFlightError,
    SecretShownError,
)
from controlplane.identifiers import new_sortable_id, now
from controlplane.requests import IdempotentRequest, require_version
from controlplane.webhooks.messages import ping_payload
from controlplane.webhooks.model import (
    ALL_EVENTS,
    GRACE_HOURS,
    MAX_WEBHOOKS,
    OPEN,
    Delivery,
    DeliveryKind,
    SecretVersion,
    Webhook,
    WebhookChange,
    WebhookChanged,
    WebhookCreated,
    WebhookDeleted,
    WebhookRedeliveryRequested,
    WebhookRequest,
    WebhookSecretRotated,
    WebhookTestRequested,
)
from controlplane.webhooks.ports import DeliveryLog, WebhookRepository
from controlplane.webhooks.signatures import SigningKeys, secret_text
from controlplane.webhooks.targets import parse_target


@dataclass(frozen=True)
class Rules:
    """What a webhook may say: the names of events that there are, and whether this machine may be its target."""

    known_events: Collection[str]
    allow_loopback: bool


@dataclass(frozen=True)
class ShownSecret:
    """A webhook with its newest secret, which is shown this once."""

    webhook: Webhook
    text: str


def create_webhook(
    tenant_id: str,
    wanted: WebhookRequest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    rules: Rules,
    webhooks: WebhookRepository,
    keys: SigningKeys,
) -> ShownSecret:
    """Raises RefusedTargetError, InvalidRequestError for an unknown event or project, LimitExceededError,
    SecretShownError for a repeat, and what the repository's `add` raises."""
    _check(wanted.url, wanted.events, rules)
    known = webhooks.routes(tenant_id, wanted.project)
    if len(known.routes) >= MAX_WEBHOOKS and request is None:
        raise _too_many()
    webhook = Webhook(
        name=wanted.name,
        webhook_id=f"wh-{token_hex(8)}",
        url=wanted.url,
        events=_distinct(wanted.events),
        project=wanted.project,
        description=wanted.description,
        secrets=(SecretVersion(generation=1, key=keys.newest),),
        created_at=now(),
        created_by=created_by,
    )
    event = WebhookCreated(tenant_id=tenant_id, webhook=webhook.name, events=webhook.events)
    try:
        stored = webhooks.add(tenant_id, webhook, known, event, request)
    except RequestInFlightError as full:
        if len(known.routes) < MAX_WEBHOOKS:
            raise
        raise _too_many() from full
    if stored.webhook_id != webhook.webhook_id:
        raise SecretShownError(
            f"this request has made the webhook {stored.name} before, and its secret was shown then",
            remedy="If you have lost it, rotate the webhook's secret.",
        )
    return _shown(tenant_id, stored, keys)


def change_webhook(
    tenant_id: str,
    name: str,
    wanted: WebhookChange,
    if_match: int | None,
    *,
    rules: Rules,
    webhooks: WebhookRepository,
) -> Webhook:
    """Change what is named; nothing named changes nothing.

    Enabling it anew forgets why it was disabled; that or another URL also forgets how its target did until now.
    Raises NotFoundError, PreconditionFailedError, RefusedTargetError, InvalidRequestError, ConcurrentChangeError.
    """
    if wanted.url is not None or wanted.events is not None:
        _check(wanted.url, wanted.events or (), rules)
    webhook = webhooks.get(tenant_id, name, wanted.project)
    require_version(if_match, webhook.version, f"webhook {name}")
    changes = wanted.changes
    if wanted.events is not None:
        changes["events"] = _distinct(wanted.events)
    if not changes:
        return webhook
    fields = tuple(sorted(changes))
    if "enabled" in changes:
        changes["reason"] = None
    if "url" in changes or changes.get("enabled"):
        changes["judged_since"] = now()
    event = WebhookChanged(tenant_id=tenant_id, webhook=name, fields=fields)
    return webhooks.replace(tenant_id, webhook, webhook.model_copy(update=changes), event)


def delete_webhook(
    tenant_id: str, name: str, if_match: int | None, *, webhooks: WebhookRepository
) -> None:
    """What still waits for it is cancelled. Raises NotFoundError, PreconditionFailedError, ConcurrentChangeError."""
    webhook = webhooks.get(tenant_id, name)
    require_version(if_match, webhook.version, f"webhook {name}")
    webhooks.remove(tenant_id, webhook, WebhookDeleted(tenant_id=tenant_id, webhook=name))


def rotate_secret(
    tenant_id: str,
    name: str,
    if_match: int | None,
    *,
    webhooks: WebhookRepository,
    keys: SigningKeys,
) -> ShownSecret:
    """Give a webhook a new secret. Messages are signed with the one before as well, for its grace time.

    Raises NotFoundError, PreconditionFailedError, ConcurrentChangeError.
    """
    webhook = webhooks.get(tenant_id, name)
    require_version(if_match, webhook.version, f"webhook {name}")
    moment = now()
    newest = webhook.secrets[0]
    made = SecretVersion(generation=newest.generation + 1, key=keys.newest)
    until = moment + timedelta(hours=GRACE_HOURS)
    # Two at most: whoever rotates twice in a day wants the first one gone.
    secrets = (made, newest.model_copy(update={"valid_until": until}))
    event = WebhookSecretRotated(tenant_id=tenant_id, webhook=name, generation=made.generation)
    rotated = webhook.model_copy(update={"secrets": secrets})
    return _shown(tenant_id, webhooks.replace(tenant_id, webhook, rotated, event), keys)


def ping_webhook(
    tenant_id: str,
    name: str,
    request: IdempotentRequest | None,
    *,
    webhooks: WebhookRepository,
    log: DeliveryLog,
) -> Delivery:
    """Send a ping, once, whether the webhook is enabled or not.

    Raises NotFoundError, IdempotencyKeyReusedError, RequestInFlightError.
    """
    webhook = webhooks.get(tenant_id, name)
    delivery_id = new_sortable_id("d")
    event = WebhookTestRequested(tenant_id=tenant_id, webhook=name, delivery=delivery_id)
    delivery = Delivery(
        delivery_id=delivery_id,
        webhook=name,
        webhook_id=webhook.webhook_id,
        kind=DeliveryKind.TEST,
        event_id=event.event_id,
        event_type=WebhookTestRequested.__name__,
        payload=ping_payload(event),
        created_at=event.occurred_at,
    )
    return log.request(tenant_id, delivery, event, request)


def redeliver(
    tenant_id: str,
    name: str,
    delivery_id: str,
    request: IdempotentRequest | None,
    *,
    log: DeliveryLog,
) -> Delivery:
    """Send what a delivery held once more, to where the webhook points now: a new delivery that names the old one.

    Raises NotFoundError, ConflictError for a test, for what is still being tried, for a webhook that is disabled or
    was made anew, IdempotencyKeyReusedError, RequestInFlightError.
    """
    found = log.situation(tenant_id, name, delivery_id)
    old, webhook = found.delivery, found.webhook
    if old is None or webhook is None:
        raise NotFoundError(f"there is no delivery {delivery_id} of a webhook {name}")
    _check_sent_again(old, webhook)
    new_id = new_sortable_id("d")
    event = WebhookRedeliveryRequested(
        tenant_id=tenant_id, webhook=name, delivery=new_id, redelivery_of=delivery_id
    )
    delivery = Delivery(
        delivery_id=new_id,
        webhook=name,
        webhook_id=webhook.webhook_id,
        kind=DeliveryKind.REDELIVERY,
        event_id=old.event_id,
        event_type=old.event_type,
        payload=old.payload,
        redelivery_of=delivery_id,
        created_at=event.occurred_at,
    )
    return log.request(tenant_id, delivery, event, request)


def _shown(tenant_id: str, webhook: Webhook, keys: SigningKeys) -> ShownSecret:
    secret = keys.secret(tenant_id, webhook.webhook_id, webhook.secrets[0])
    return ShownSecret(webhook, secret_text(secret))


def _check(url: str | None, events: Collection[str], rules: Rules) -> None:
    if url is not None:
        parse_target(url, allow_loopback=rules.allow_loopback)
    for name in events:
        if name != ALL_EVENTS and name not in rules.known_events:
            near = get_close_matches(name, rules.known_events, 3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "Use `*` for all."
            raise InvalidRequestError(f"there is no event {name} to be told of", remedy=hint)


def _check_sent_again(old: Delivery, webhook: Webhook) -> None:
    """One that is open for longer than it is tried has lost its message: its owner need not wait for ever."""
    if old.webhook_id != webhook.webhook_id:
        raise ConflictError(
            f"this was sent to an earlier webhook {webhook.name}, which was deleted",
            remedy="Look at the delivery, which shows what was posted: nothing is sent to others than it was for.",
        )
    if not webhook.enabled:
        raise ConflictError(f"webhook {webhook.name} is disabled", remedy="Enable it first.")
    if old.kind is DeliveryKind.TEST:
        raise ConflictError("a test is not sent again", remedy="Ask for another test.")
    if old.state in OPEN and now() < old.tried_until:
        raise ConflictError(
            "this delivery is still being tried",
            remedy="Wait until it has ended: `state` and `next_attempt_at` tell how far it is.",
        )


def _distinct(events: Collection[str]) -> tuple[str, ...]:
    return (ALL_EVENTS,) if ALL_EVENTS in events else tuple(dict.fromkeys(events))


def _too_many() -> LimitExceededError:
    return LimitExceededError(
        f"a tenant has at most {MAX_WEBHOOKS} webhooks",
        remedy="Delete one that is no longer used, or let one receive more events.",
    )
