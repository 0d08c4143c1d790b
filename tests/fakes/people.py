"""People, machines and keys, and what they write for others to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controlplane.errors import (
    ConcurrentChangeError,
    LastAdministratorError,
    NotFoundError,
    RequestInFlightError,
)
from controlplane.events import DomainEvent
from controlplane.identifiers import now
from controlplane.people.model import (
    ENABLED,
    MAX_KEYS_OF_A_MACHINE,
    UNMADE,
    ApiKey,
    KeyCreated,
    KeyRevoked,
    KeyStatus,
    Machine,
    MachineCreated,
    MachineDeleted,
    Person,
    PersonActivated,
    PersonInvited,
    PersonRemoved,
    PersonStatus,
)
from controlplane.people.ports import StoredKey
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.tenancy.model import PrincipalKind, PrincipalRecord, PrincipalStatus
from tests.fakes.table import MemoryTable, Place, create, page_of, require


@dataclass
class MemoryPrincipals:
    """What people and keys write for others to read: records, memberships and the administrators of each tenant."""

    records: dict[tuple[str, str], PrincipalRecord] = field(default_factory=dict)
    memberships: dict[str, str] = field(default_factory=dict)
    administrators: dict[str, set[str]] = field(default_factory=dict)

    def disable(self, tenant_id: str, subject: str) -> None:
        record = self.records[tenant_id, subject]
        disabled = record.model_copy(update={"status": PrincipalStatus.DISABLED})
        self.records[tenant_id, subject] = disabled


class MemoryPeople:
    """A PersonRepository."""

    def __init__(self, table: MemoryTable, principals: MemoryPrincipals) -> None:
        self._table = table
        self._principals = principals
        self.items: dict[Place, Person] = {}

    def add(
        self,
        tenant_id: str,
        person: Person,
        event: PersonInvited,
        request: IdempotentRequest | None,
    ) -> Person:
        place = (tenant_id, person.name)
        stored = create(self._table, self.items, place, person, request, now())
        if stored is person:
            self._table.events.append(event)
        return stored

    def get(self, tenant_id: str, name: str) -> Person:
        try:
            return self.items[tenant_id, name]
        except KeyError:
            raise NotFoundError(f"there is no person {name}") from None

    def list(self, tenant_id: str, page: PageRequest) -> Page[Person]:
        return page_of({n: p for (t, n), p in self.items.items() if t == tenant_id}, page)

    def change(
        self, tenant_id: str, before: Person, after: Person, event: DomainEvent | None
    ) -> Person:
        self._table.begin_write()
        stored = self.items.get((tenant_id, before.name))
        require(stored is not None and stored.version == before.version)
        names = self._principals.administrators.setdefault(tenant_id, set())
        if before.is_administrator and not after.is_administrator:
            if names <= {before.name}:
                raise LastAdministratorError(f"{before.name} is the last administrator")
            names.discard(before.name)
        if after.is_administrator:
            names.add(after.name)
        changed = after.model_copy(update={"version": before.version + 1})
        self.items[tenant_id, before.name] = changed
        if after.subject is not None:
            self._record(tenant_id, after, after.subject)
            if before.subject is None:
                self._principals.memberships[after.subject] = tenant_id
        if event is not None:
            self._table.events.append(event)
        return changed

    def note_sign_in(
        self,
        tenant_id: str,
        name: str,
        subject: str,
        moment: int,
        activated: PersonActivated | None,
    ) -> None:
        self._table.begin_write()
        person = self.items.get((tenant_id, name))
        if person is None or (activated and person.status is not PersonStatus.INVITED):
            raise ConcurrentChangeError("the person is no more what the event needs")
        changes: dict[str, object] = {"signed_in_at": moment}
        if activated is not None:
            changes |= {"status": PersonStatus.ACTIVE, "version": person.version + 1}
            self._table.events.append(activated)
        self.items[tenant_id, name] = person.model_copy(update=changes)
        record = self._principals.records[tenant_id, subject]
        kept = record.model_copy(update={"signed_in_at": moment})
        self._principals.records[tenant_id, subject] = kept

    def remove(self, tenant_id: str, person: Person, event: PersonRemoved) -> None:
        self._table.begin_write()
        stored = self.items.get((tenant_id, person.name))
        require(stored is not None and stored.version == person.version)
        del self.items[tenant_id, person.name]
        self._principals.administrators.get(tenant_id, set()).discard(person.name)
        if person.subject is not None:
            self._principals.memberships.pop(person.subject, None)
            self._principals.disable(tenant_id, person.subject)
        self._table.events.append(event)

    def _record(self, tenant_id: str, person: Person, subject: str) -> None:
        present = self._principals.records.get((tenant_id, subject), PrincipalRecord())
        is_active = person.status in ENABLED or person.status in UNMADE
        self._principals.records[tenant_id, subject] = present.model_copy(
            update={
                "name": person.name,
                "status": PrincipalStatus.ACTIVE if is_active else PrincipalStatus.DISABLED,
                "roles": person.roles,
                "revoked_before": person.revoked_before,
            }
        )


class MemoryMachines:
    """A MachineRepository and KeyRing. `tenants` are their statuses."""

    def __init__(self, table: MemoryTable, principals: MemoryPrincipals) -> None:
        self._table = table
        self._principals = principals
        self.machines: dict[Place, Machine] = {}
        self.keys: dict[Place, ApiKey] = {}
        self.tenants: dict[str, str] = {"acme": "Active", "globex": "Active"}
        self.reads = 0

    def add_machine(
        self,
        tenant_id: str,
        machine: Machine,
        event: MachineCreated,
        request: IdempotentRequest | None,
    ) -> Machine:
        place = (tenant_id, machine.name)
        stored = create(self._table, self.machines, place, machine, request, now())
        if stored is machine:
            self._table.events.append(event)
        return stored

    def get_machine(self, tenant_id: str, name: str) -> Machine:
        try:
            return self.machines[tenant_id, name]
        except KeyError:
            raise NotFoundError(f"there is no machine {name}") from None

    def list_machines(self, tenant_id: str, page: PageRequest) -> Page[Machine]:
        return page_of({n: m for (t, n), m in self.machines.items() if t == tenant_id}, page)

    def remove_machine(self, tenant_id: str, machine: Machine, event: MachineDeleted) -> None:
        self._table.begin_write()
        stored = self.machines.get((tenant_id, machine.name))
        require(stored == machine and machine.active_keys == 0)
        del self.machines[tenant_id, machine.name]
        self._table.events.append(event)

    def add_key(
        self, tenant_id: str, key: ApiKey, event: KeyCreated, request: IdempotentRequest | None
    ) -> ApiKey:
        machine = self.machines.get((tenant_id, key.machine))
        place = (tenant_id, key.key_id)
        if machine is None or machine.active_keys >= MAX_KEYS_OF_A_MACHINE:
            raise RequestInFlightError("other changes of the tenant are under way")
        stored = create(self._table, self.keys, place, key, request, now())
        if stored is key:
            self._count(tenant_id, key.machine, 1)
            self._table.events.append(event)
        return stored

    def get_key(self, tenant_id: str, key_id: str) -> ApiKey:
        try:
            return self.keys[tenant_id, key_id]
        except KeyError:
            raise NotFoundError(f"there is no key {key_id}") from None

    def list_keys(self, tenant_id: str, page: PageRequest) -> Page[ApiKey]:
        return page_of({k: key for (t, k), key in self.keys.items() if t == tenant_id}, page)

    def revoke_keys(self, tenant_id: str, keys: Sequence[tuple[ApiKey, KeyRevoked]]) -> None:
        self._table.begin_write()
        for key, _ in keys:
            stored = self.keys.get((tenant_id, key.key_id))
            require(stored is not None and stored.version == key.version)
        for key, event in keys:
            changes = {"status": KeyStatus.REVOKED, "version": key.version + 1}
            self.keys[tenant_id, key.key_id] = key.model_copy(update=changes)
            self._count(tenant_id, key.machine, -1)
            if key.subject is not None:
                self._principals.disable(tenant_id, key.subject)
            self._table.events.append(event)

    def find(self, tenant_id: str, key_id: str) -> StoredKey:
        self.reads += 1
        return StoredKey(
            self.keys.get((tenant_id, key_id)), self.tenants.get(tenant_id), tier="standard"
        )

    def adopt(self, tenant_id: str, key: ApiKey, subject: str) -> ApiKey:
        self._table.begin_write()
        stored = self.keys.get((tenant_id, key.key_id))
        if stored is not None and stored.subject == subject and stored.is_usable(now()):
            return stored
        require(stored == key and key.status is KeyStatus.ACTIVE)
        adopted = key.model_copy(update={"subject": subject, "version": key.version + 1})
        self.keys[tenant_id, key.key_id] = adopted
        self._principals.memberships[subject] = tenant_id
        self._principals.records[tenant_id, subject] = PrincipalRecord(
            kind=PrincipalKind.KEY,
            name=key.key_id,
            roles=key.roles,
            machine=key.machine,
            scopes=key.scopes,
            valid_until=int(key.valid_until.timestamp()),
        )
        return adopted

    def note_use(self, tenant_id: str, key: ApiKey, moment: datetime) -> None:
        stored = self.keys[tenant_id, key.key_id]
        if stored.version == key.version:
            used = stored.model_copy(update={"last_used_at": moment})
            self.keys[tenant_id, key.key_id] = used

    def forget_user(self, tenant_id: str, key: ApiKey) -> None:
        if key.subject is not None:
            self._principals.memberships.pop(key.subject, None)
            self._principals.disable(tenant_id, key.subject)

    def erase(self, tenant_id: str, key: ApiKey, event: KeyRevoked) -> None:
        del self.keys[tenant_id, key.key_id]
        if key.subject is not None:
            self._principals.memberships.pop(key.subject, None)
            self._principals.disable(tenant_id, key.subject)
        self._table.events.append(event)

    def _count(self, tenant_id: str, name: str, number: int) -> None:
        machine = self.machines[tenant_id, name]
        counted = {"active_keys": machine.active_keys + number}
        self.machines[tenant_id, name] = machine.model_copy(update=counted)
