"""Refusals: one item an actor and action, written over, whose event reaches the tenant's chain."""

from datetime import timedelta
from urllib.parse import quote

from controlplane.adapters.dynamodb_items import event_attribute, seconds
from controlplane.adapters.dynamodb_table import Key, Table, Write, tenant_partition
from controlplane.auditing.model import AccessDenied
from controlplane.identifiers import PLATFORM

LIFETIME = timedelta(days=30)
_TOLD = {"actor", "action", "resource", "count", "first_at", "last_at"}


class DynamoDBDenials:
    """A DenialLog."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def write(self, denied: AccessDenied) -> None:
        actor, action = quote(denied.actor, safe=":"), quote(denied.action)
        key = Key(_partition(denied.tenant_id), f"DENIAL#{actor}#{action}")
        told = denied.model_dump(mode="json", include=_TOLD)
        more = {
            "expires_at": seconds(denied.last_at + LIFETIME),
            "event": event_attribute(denied),
        }
        self._table.put(Write(key, item=told | more))


def _partition(tenant_id: str) -> str:
    return "PLATFORM#DENIALS" if tenant_id == PLATFORM else tenant_partition(tenant_id)
