"""Webhooks and deliveries as callers see them."""

import json
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from controlplane.reasons import Reason
from controlplane.webhooks.model import Delivery, Webhook
from controlplane.webhooks.service import ShownSecret
from controlplane.webhooks.targets import shown_url


class WebhookView(BaseModel):
    """A webhook without its secret. `url` is shown without its query; `reason` tells why it was disabled by itself.

    `old_secret_until` is there while messages are signed with the secret before as well. `webhook_id` tells it from an
    earlier one of its name.
    """

    name: str
    webhook_id: str
    url: str
    events: list[str]
    project: str | None
    description: str
    enabled: bool
    reason: Reason | None
    secret_generation: int
    old_secret_until: datetime | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        older = webhook.secrets[1:]
        return cls(
            name=webhook.name,
            webhook_id=webhook.webhook_id,
            url=shown_url(webhook.url),
            events=list(webhook.events),
            project=webhook.project,
            description=webhook.description,
            enabled=webhook.enabled,
            reason=webhook.reason,
            secret_generation=webhook.secrets[0].generation,
            old_secret_until=older[0].valid_until if older else None,
            created_at=webhook.created_at,
            created_by=webhook.created_by,
        )


class NewSecretView(WebhookView):
    """A webhook with its new secret: the only time that it is shown."""

    secret: str = Field(description="Shown once; keep it where secrets are kept")

    @classmethod
    def shown(cls, made: ShownSecret) -> Self:
        return cls(**WebhookView.of(made.webhook).model_dump(), secret=made.text)


class AttemptView(BaseModel):
    """One try. `error` is a stable word; `excerpt` the answer's first bytes, what is not plain text escaped."""

    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    detail: str
    excerpt: str


class DeliveryView(BaseModel):
    """A message on its way to a webhook, or there. `made` is how many attempts there were.

    `webhook_id` may be that of an earlier webhook of the name, which was deleted.
    """

    delivery: str
    webhook: str
    webhook_id: str
    kind: str
    event_id: str
    event_type: str
    state: str
    redelivery_of: str | None
    made: int
    next_attempt_at: datetime | None
    reason: Reason | None
    created_at: datetime

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls.model_validate(_shown(delivery))


class DeliveryDetailsView(DeliveryView):
    """With its latest attempts, the oldest first, and what was posted."""

    attempts: list[AttemptView]
    payload: dict[str, Any]

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        attempts = [attempt.model_dump() for attempt in delivery.attempts]
        payload = json.loads(delivery.payload)
        return cls.model_validate(_shown(delivery) | {"attempts": attempts, "payload": payload})


def _shown(delivery: Delivery) -> dict[str, Any]:
    shown = {
        name: getattr(delivery, name) for name in DeliveryView.model_fields if name != "delivery"
    }
    return shown | {"delivery": delivery.delivery_id}
