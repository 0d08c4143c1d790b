"""Machines and their keys, as a tenant's administrators work with them: MACHINE#<name> and KEY#<id>."""

from collections import Counter
from collections.abc import Sequence

from controlplane.adapters.dynamodb_items import (
    PRESENT,
    UNCHANGED,
    VERSION,
    as_item,
    create,
    event_attribute,
    seconds,
    tombstone,
)
from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    tenant_partition,
)
from controlplane.adapters.dynamodb_tenants import principal_key
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.identifiers import now
from controlplane.people.model import (
    MAX_KEYS_OF_A_MACHINE,
    ApiKey,
    KeyCreated,
    KeyRevoked,
    KeyStatus,
    Machine,
    MachineCreated,
    MachineDeleted,
)
from controlplane.people.retention import REVOKED_KEY_LIFETIME
from controlplane.requests import IdempotentRequest, Page, PageRequest


def machine_key(tenant_id: str, name: str) -> Key:
    return Key(tenant_partition(tenant_id), f"MACHINE#{name}")


def api_key_key(tenant_id: str, key_id: str) -> Key:
    return Key(tenant_partition(tenant_id), f"KEY#{key_id}")


class DynamoDBMachines:
    """A MachineRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add_machine(
        self,
        tenant_id: str,
        machine: Machine,
        event: MachineCreated,
        request: IdempotentRequest | None,
    ) -> Machine:
        item = as_item(machine_key(tenant_id, machine.name), machine, event)
        return Machine.model_validate(create(self._table, tenant_id, item, request))

    def get_machine(self, tenant_id: str, name: str) -> Machine:
        item = self._table.get(machine_key(tenant_id, name))
        if is_tombstone(item):
            raise NotFoundError(f"there is no machine {name}")
        return Machine.model_validate(item)

    def list_machines(self, tenant_id: str, page: PageRequest) -> Page[Machine]:
        found = self._table.query(tenant_partition(tenant_id), "MACHINE#", page)
        return Page([Machine.model_validate(item) for item in found.items], found.next_after)

    def remove_machine(self, tenant_id: str, machine: Machine, event: MachineDeleted) -> None:
        key = machine_key(tenant_id, machine.name)
        gone = Write(
            key,
            item=tombstone(key, event, machine.version),
            condition=f"{UNCHANGED} AND active_keys = :none",
            names=VERSION,
            values={":known": machine.version, ":none": 0},
        )
        try:
            self._table.put(gone)
        except ConditionFailedError as changed:
            raise ConcurrentChangeError(
                f"machine {machine.name} has changed meanwhile"
            ) from changed

    def add_key(
        self,
        tenant_id: str,
        key: ApiKey,
        event: KeyCreated,
        request: IdempotentRequest | None,
    ) -> ApiKey:
        item = as_item(api_key_key(tenant_id, key.key_id), key, event)
        counted = Write(
            machine_key(tenant_id, key.machine),
            kind="update",
            update="ADD active_keys :one",
            condition=f"{PRESENT} AND active_keys < :most",
            values={":one": 1, ":most": MAX_KEYS_OF_A_MACHINE},
        )
        return ApiKey.model_validate(create(self._table, tenant_id, item, request, also=[counted]))

    def get_key(self, tenant_id: str, key_id: str) -> ApiKey:
        item = self._table.get(api_key_key(tenant_id, key_id))
        if is_tombstone(item):
            raise NotFoundError(f"there is no key {key_id}")
        return ApiKey.model_validate(item)

    def list_keys(self, tenant_id: str, page: PageRequest) -> Page[ApiKey]:
        found = self._table.query(tenant_partition(tenant_id), "KEY#", page)
        return Page([ApiKey.model_validate(item) for item in found.items], found.next_after)

    def revoke_keys(self, tenant_id: str, keys: Sequence[tuple[ApiKey, KeyRevoked]]) -> None:
        writes = []
        for key, event in keys:
            writes += _revoked(tenant_id, key, event)
        for machine, number in Counter(key.machine for key, _ in keys).items():
            writes.append(
                Write(
                    machine_key(tenant_id, machine),
                    kind="update",
                    update="ADD active_keys :fewer",
                    values={":fewer": -number},
                )
            )
        try:
            self._table.transact(writes)
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError("a key has changed meanwhile") from changed


def _revoked(tenant_id: str, key: ApiKey, event: KeyRevoked) -> list[Write]:
    """The key, and the record of its user if it has one: what makes its tokens end."""
    writes = [
        Write(
            api_key_key(tenant_id, key.key_id),
            kind="update",
            update=(
                "SET #status = :revoked, #event = :event, expires_at = :expires_at, "
                "#version = #version + :one"
            ),
            condition=UNCHANGED,
            names=VERSION | {"#status": "status", "#event": "event"},
            values={
                ":revoked": KeyStatus.REVOKED.value,
                ":event": event_attribute(event),
                ":expires_at": seconds(now() + REVOKED_KEY_LIFETIME),
                ":known": key.version,
                ":one": 1,
            },
        )
    ]
    if key.subject is not None:
        writes.append(
            Write(
                principal_key(tenant_id, key.subject),
                kind="update",
                update="SET #status = :disabled",
                names={"#status": "status"},
                values={":disabled": "Disabled"},
            )
        )
    return writes
