"""Messages to webhooks: DELIVERY#<webhook>#<delivery> for 30 days, and how its target does: WEBHOOKHEALTH#<webhook>.

Neither is a change of the tenant's own: their items carry an event only where somebody has asked for a delivery.
"""

from collections.abc import Callable
from datetime import timedelta

from controlplane.adapters.dynamodb_items import ABSENT, as_item, create, put_over, seconds
from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    tenant_partition,
)
from controlplane.adapters.dynamodb_webhooks import webhook_key
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.events import DomainEvent
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.webhooks.health import TargetHealth
from controlplane.webhooks.model import Delivery, Webhook, WebhookEvent
from controlplane.webhooks.ports import Situation

LOG_LIFETIME = timedelta(days=30)
# Of a change of a target's health, which attempts at the same time may hinder.
_ATTEMPTS = 4


def delivery_key(tenant_id: str, webhook: str, delivery_id: str) -> Key:
    return Key(tenant_partition(tenant_id), f"DELIVERY#{webhook}#{delivery_id}")


def health_key(tenant_id: str, webhook: str) -> Key:
    return Key(tenant_partition(tenant_id), f"WEBHOOKHEALTH#{webhook}")


class DynamoDBWebhookDeliveries:
    """A DeliveryLog."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, tenant_id: str, delivery: Delivery) -> None:
        item = _item(tenant_id, delivery)
        try:
            self._table.put(Write(Key(item["pk"], item["sk"]), item=item, condition=ABSENT))
        except ConditionFailedError:
            return

    def request(
        self,
        tenant_id: str,
        delivery: Delivery,
        event: WebhookEvent,
        request: IdempotentRequest | None,
    ) -> Delivery:
        item = _item(tenant_id, delivery, event)
        return Delivery.model_validate(create(self._table, tenant_id, item, request))

    def get(self, tenant_id: str, webhook: str, delivery_id: str) -> Delivery:
        item = self._table.get(delivery_key(tenant_id, webhook, delivery_id))
        if item is None:
            raise NotFoundError(f"there is no delivery {delivery_id} of a webhook {webhook}")
        return Delivery.model_validate(item)

    def list(self, tenant_id: str, webhook: str, page: PageRequest) -> Page[Delivery]:
        prefix = f"DELIVERY#{webhook}#"
        found = self._table.query(tenant_partition(tenant_id), prefix, page, newest=True)
        return Page([Delivery.model_validate(item) for item in found.items], found.next_after)

    def situation(self, tenant_id: str, webhook: str, delivery_id: str) -> Situation:
        keys = (
            delivery_key(tenant_id, webhook, delivery_id),
            webhook_key(tenant_id, webhook),
            health_key(tenant_id, webhook),
        )
        found = self._table.get_many(keys)
        delivery, owner, health = (found.get(key) for key in keys)
        return Situation(
            Delivery.model_validate(delivery) if delivery else None,
            None if is_tombstone(owner) else Webhook.model_validate(owner),
            TargetHealth.model_validate(health) if health else None,
        )

    def claim(
        self, tenant_id: str, before: Delivery, after: Delivery, health: TargetHealth
    ) -> Delivery:
        claimed = after.model_copy(update={"version": before.version + 1})
        try:
            self._table.transact(
                [
                    _over(tenant_id, before, claimed),
                    _health_over(tenant_id, before.webhook, health),
                ]
            )
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError("somebody else makes an attempt") from changed
        return claimed

    def record(self, tenant_id: str, before: Delivery, after: Delivery) -> Delivery:
        recorded = after.model_copy(update={"version": before.version + 1})
        try:
            self._table.put(_over(tenant_id, before, recorded))
        except ConditionFailedError as changed:
            raise ConcurrentChangeError(
                f"delivery {before.delivery_id} has changed meanwhile"
            ) from changed
        return recorded

    def change_health(
        self,
        tenant_id: str,
        webhook: str,
        webhook_id: str,
        change: Callable[[TargetHealth], TargetHealth],
    ) -> TargetHealth:
        for _ in range(_ATTEMPTS):
            item = self._table.get(health_key(tenant_id, webhook))
            stored = TargetHealth.model_validate(item or {"webhook_id": webhook_id})
            if stored.webhook_id != webhook_id:
                raise ConcurrentChangeError(f"webhook {webhook} was made anew meanwhile")
            changed = change(stored)
            try:
                self._table.put(_health_over(tenant_id, webhook, changed))
            except ConditionFailedError:
                continue
            return changed
        raise ConcurrentChangeError(f"the health of webhook {webhook} changes all the time")


def _item(tenant_id: str, delivery: Delivery, event: DomainEvent | None = None) -> Item:
    key = delivery_key(tenant_id, delivery.webhook, delivery.delivery_id)
    expires_at = seconds(delivery.created_at + LOG_LIFETIME)
    return as_item(key, delivery, event, expires_at=expires_at)


def _over(tenant_id: str, before: Delivery, after: Delivery) -> Write:
    item = _item(tenant_id, after)
    return put_over(Key(item["pk"], item["sk"]), item, before.version)


def _health_over(tenant_id: str, webhook: str, health: TargetHealth) -> Write:
    """Over the state that it was made of, which is the version before."""
    key = health_key(tenant_id, webhook)
    return put_over(key, as_item(key, health), health.version - 1 or None)
