"""Webhooks: WEBHOOK#<name>, and beside them WEBHOOKS, the routes of all of a tenant's.

An event is told to whom the routes name, found by one read. Each webhook has an entry of its own in them, changed in
the transaction that changes the webhook, so that changes of two webhooks do not meet.
"""

from typing import Any

from controlplane.adapters.dynamodb_items import (
    as_item,
    create,
    put_over,
    tombstone,
)
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    tenant_partition,
)
from controlplane.errors import ConcurrentChangeError, InvalidRequestError, NotFoundError
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.webhooks.model import (
    MAX_WEBHOOKS,
    Webhook,
    WebhookCreated,
    WebhookDeleted,
    WebhookEvent,
)
from controlplane.webhooks.ports import Route, Routes

_NAMES = {"#routes": "routes"}


def webhook_key(tenant_id: str, name: str) -> Key:
    return Key(tenant_partition(tenant_id), f"WEBHOOK#{name}")


def routes_key(tenant_id: str) -> Key:
    return Key(tenant_partition(tenant_id), "WEBHOOKS")


class DynamoDBWebhooks:
    """A WebhookRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def routes(self, tenant_id: str, project: str | None = None) -> Routes:
        item, project_is_there = self._read(tenant_id, routes_key(tenant_id), project)
        if not project_is_there:
            raise _unknown(project)
        if item is None:
            return Routes()
        return Routes(tuple(_route(name, of) for name, of in item["routes"].items()), stored=True)

    def add(
        self,
        tenant_id: str,
        webhook: Webhook,
        known: Routes,
        event: WebhookCreated,
        request: IdempotentRequest | None,
    ) -> Webhook:
        key, entry = routes_key(tenant_id), _entry(webhook)
        routed = Write(
            key,
            item={"routes": {webhook.name: entry}},
            condition="attribute_not_exists(pk)",
        )
        if known.stored:
            routed = Write(
                key,
                kind="update",
                update="SET #routes.#name = :entry",
                condition="attribute_not_exists(#routes.#name) AND size(#routes) < :most",
                names=_NAMES | {"#name": webhook.name},
                values={":entry": entry, ":most": MAX_WEBHOOKS},
            )
        item = as_item(webhook_key(tenant_id, webhook.name), webhook, event)
        return Webhook.model_validate(create(self._table, tenant_id, item, request, also=[routed]))

    def get(self, tenant_id: str, name: str, project: str | None = None) -> Webhook:
        item, project_is_there = self._read(tenant_id, webhook_key(tenant_id, name), project)
        if is_tombstone(item):
            raise NotFoundError(f"there is no webhook {name}")
        if not project_is_there:
            raise _unknown(project)
        return Webhook.model_validate(item)

    def list(self, tenant_id: str, page: PageRequest) -> Page[Webhook]:
        found = self._table.query(tenant_partition(tenant_id), "WEBHOOK#", page)
        return Page([Webhook.model_validate(item) for item in found.items], found.next_after)

    def replace(
        self, tenant_id: str, before: Webhook, after: Webhook, event: WebhookEvent
    ) -> Webhook:
        key = webhook_key(tenant_id, before.name)
        stored = after.model_copy(update={"version": before.version + 1})
        routed = Write(
            routes_key(tenant_id),
            kind="update",
            update="SET #routes.#name = :entry",
            names=_NAMES | {"#name": before.name},
            values={":entry": _entry(stored)},
        )
        self._write(put_over(key, as_item(key, stored, event), before.version), routed, before.name)
        return stored

    def remove(self, tenant_id: str, webhook: Webhook, event: WebhookDeleted) -> None:
        key = webhook_key(tenant_id, webhook.name)
        unrouted = Write(
            routes_key(tenant_id),
            kind="update",
            update="REMOVE #routes.#name",
            names=_NAMES | {"#name": webhook.name},
        )
        left = tombstone(key, event, webhook.version)
        self._write(put_over(key, left, webhook.version), unrouted, webhook.name)

    def _read(self, tenant_id: str, key: Key, project: str | None) -> tuple[Item | None, bool]:
        """An item, and by the same call whether a project is there that it is to name; no project is always there."""
        if project is None:
            return self._table.get(key), True
        of_project = project_key(tenant_id, project)
        found = self._table.get_many([key, of_project])
        return found.get(key), not is_tombstone(found.get(of_project))

    def _write(self, webhook: Write, routed: Write, name: str) -> None:
        try:
            self._table.transact([webhook, routed])
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError(f"webhook {name} has changed meanwhile") from changed


def _unknown(project: str | None) -> InvalidRequestError:
    return InvalidRequestError(
        f"there is no project {project} to be told of",
        remedy="Create it first, or leave `project` out for the events of all projects.",
    )


def _entry(webhook: Webhook) -> Item:
    entry: dict[str, Any] = {
        "webhook_id": webhook.webhook_id,
        "events": list(webhook.events),
        "enabled": webhook.enabled,
    }
    return entry | ({"project": webhook.project} if webhook.project else {})


def _route(name: str, entry: Item) -> Route:
    return Route(
        name=name,
        webhook_id=entry["webhook_id"],
        events=tuple(entry["events"]),
        project=entry.get("project"),
        enabled=entry["enabled"],
    )
