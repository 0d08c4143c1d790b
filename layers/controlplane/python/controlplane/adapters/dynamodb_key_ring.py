"""Keys as those use them who hold one: found by what the key itself says, in the tenant's partition."""

from datetime import datetime

from controlplane.adapters.dynamodb_items import VERSION, seconds, tombstone
from controlplane.adapters.dynamodb_machines import api_key_key
from controlplane.adapters.dynamodb_people import end_membership
from controlplane.adapters.dynamodb_table import (
    Item,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
)
from controlplane.adapters.dynamodb_tenants import membership_key, principal_key, tenant_key
from controlplane.errors import ConcurrentChangeError
from controlplane.people.model import ApiKey, KeyRevoked, KeyStatus
from controlplane.people.ports import StoredKey

_SAME_USER = "#version = :known AND #status = :active"


class DynamoDBKeyRing:
    """A KeyRing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, tenant_id: str, key_id: str) -> StoredKey:
        tenant, key = tenant_key(tenant_id), api_key_key(tenant_id, key_id)
        found = self._table.get_many([tenant, key])
        item, its_tenant = found.get(key), found.get(tenant)
        return StoredKey(
            None if is_tombstone(item) else ApiKey.model_validate(item),
            None if its_tenant is None else its_tenant.get("status", "Active"),
            (its_tenant or {}).get("tier", "standard"),
            _serves(its_tenant),
        )

    def adopt(self, tenant_id: str, key: ApiKey, subject: str) -> ApiKey:
        adopted = key.model_copy(update={"subject": subject, "version": key.version + 1})
        member: Item = {"tenant_id": tenant_id}
        record: Item = {
            "kind": "key",
            "name": key.key_id,
            "status": "Active",
            "roles": list(key.roles),
            "machine": key.machine,
            "scopes": list(key.scopes),
            "revoked_before": 0,
            "valid_until": seconds(key.valid_until),
        }
        taken = Write(
            api_key_key(tenant_id, key.key_id),
            kind="update",
            update="SET subject = :subject, #version = #version + :one",
            condition=_SAME_USER,
            names=VERSION | {"#status": "status"},
            values={
                ":subject": subject,
                ":known": key.version,
                ":active": KeyStatus.ACTIVE.value,
                ":one": 1,
            },
        )
        try:
            self._table.transact(
                [
                    taken,
                    Write(membership_key(subject), item=member),
                    Write(principal_key(tenant_id, subject), item=record),
                ]
            )
        except TransactionCancelledError as cancelled:
            return self._adopted_elsewhere(tenant_id, key, subject, cancelled)
        return adopted

    def note_use(self, tenant_id: str, key: ApiKey, moment: datetime) -> None:
        noted = Write(
            api_key_key(tenant_id, key.key_id),
            kind="update",
            update="SET last_used_at = :moment",
            condition=_SAME_USER,
            names=VERSION | {"#status": "status"},
            values={
                ":moment": moment.isoformat(),
                ":known": key.version,
                ":active": KeyStatus.ACTIVE.value,
            },
        )
        try:
            self._table.transact([noted])
        except TransactionCancelledError:
            return  # another use at the same moment, or the key's end: neither needs ours

    def forget_user(self, tenant_id: str, key: ApiKey) -> None:
        if key.subject is not None:
            self._table.transact(end_membership(tenant_id, key.subject))

    def erase(self, tenant_id: str, key: ApiKey, event: KeyRevoked) -> None:
        place = api_key_key(tenant_id, key.key_id)
        writes = [Write(place, item=tombstone(place, event, key.version))]
        if key.subject is not None:
            writes += end_membership(tenant_id, key.subject)
        self._table.transact(writes)

    def _adopted_elsewhere(
        self, tenant_id: str, key: ApiKey, subject: str, cancelled: TransactionCancelledError
    ) -> ApiKey:
        """Another first exchange may have been quicker: the user is the same, its name being the key's."""
        stored = self.find(tenant_id, key.key_id).key
        if stored is not None and stored.status is KeyStatus.ACTIVE and stored.subject == subject:
            return stored
        raise ConcurrentChangeError(f"key {key.key_id} has changed meanwhile") from cancelled


def _serves(tenant: Item | None) -> bool:
    """Whether a suspension, if there is one, leaves the tenant's models running."""
    suspension = (tenant or {}).get("suspension") or {}
    return bool(suspension.get("serving", "keep") == "keep")
