"""People: PERSON#<name>; what a request needs to know of them, PRINCIPAL#<sub>; who runs the tenant, ADMINISTRATORS."""

from controlplane.adapters.dynamodb_items import (
    UNCHANGED,
    VERSION,
    as_item,
    create,
    event_attribute,
    seconds,
    tombstone,
)
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    tenant_partition,
)
from controlplane.adapters.dynamodb_tenants import membership_key, principal_key
from controlplane.errors import (
    ConcurrentChangeError,
    ConflictError,
    LastAdministratorError,
    NotFoundError,
)
from controlplane.events import DomainEvent
from controlplane.identifiers import now
from controlplane.people.model import (
    ENABLED,
    UNMADE,
    Person,
    PersonActivated,
    PersonInvited,
    PersonRemoved,
    PersonStatus,
)
from controlplane.people.retention import PRINCIPAL_LIFETIME
from controlplane.requests import IdempotentRequest, Page, PageRequest


def person_key(tenant_id: str, name: str) -> Key:
    return Key(tenant_partition(tenant_id), f"PERSON#{name}")


def administrators_key(tenant_id: str) -> Key:
    """`names`: the set of those who are enabled and may run the tenant."""
    return Key(tenant_partition(tenant_id), "ADMINISTRATORS")


class DynamoDBPeople:
    """A PersonRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(
        self,
        tenant_id: str,
        person: Person,
        event: PersonInvited,
        request: IdempotentRequest | None,
    ) -> Person:
        item = as_item(person_key(tenant_id, person.name), person, event)
        return Person.model_validate(create(self._table, tenant_id, item, request))

    def get(self, tenant_id: str, name: str) -> Person:
        item = self._table.get(person_key(tenant_id, name))
        if is_tombstone(item):
            raise NotFoundError(f"there is no person {name}")
        return Person.model_validate(item)

    def list(self, tenant_id: str, page: PageRequest) -> Page[Person]:
        found = self._table.query(tenant_partition(tenant_id), "PERSON#", page)
        return Page([Person.model_validate(item) for item in found.items], found.next_after)

    def change(
        self, tenant_id: str, before: Person, after: Person, event: DomainEvent | None
    ) -> Person:
        stored = after.model_copy(update={"version": before.version + 1})
        key = person_key(tenant_id, before.name)
        changed = Write(
            key,
            item=as_item(key, stored, event),
            condition=UNCHANGED,
            names=VERSION,
            values={":known": before.version},
        )
        writes = [changed, *_follow(tenant_id, before, stored)]
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            raise self._why_not(tenant_id, before, stored) from cancelled
        return stored

    def note_sign_in(
        self,
        tenant_id: str,
        name: str,
        subject: str,
        moment: int,
        activated: PersonActivated | None,
    ) -> None:
        person, principal = person_key(tenant_id, name), principal_key(tenant_id, subject)
        seen = {":moment": moment}
        noted = Write(
            person,
            kind="update",
            update="SET signed_in_at = :moment",
            condition="attribute_exists(pk) AND attribute_not_exists(deleted_at)",
            values=seen,
        )
        if activated is not None:
            noted = Write(
                person,
                kind="update",
                update=(
                    "SET signed_in_at = :moment, #status = :active, #event = :event, "
                    "#version = #version + :one"
                ),
                condition="#status = :invited",
                names=VERSION | {"#status": "status", "#event": "event"},
                values=seen
                | {
                    ":active": PersonStatus.ACTIVE.value,
                    ":invited": PersonStatus.INVITED.value,
                    ":event": event_attribute(activated),
                    ":one": 1,
                },
            )
        kept = Write(
            principal,
            kind="update",
            update="SET signed_in_at = :moment",
            condition="attribute_exists(pk)",
            values=seen,
        )
        self._table.transact([noted, kept])

    def remove(self, tenant_id: str, person: Person, event: PersonRemoved) -> None:
        key = person_key(tenant_id, person.name)
        writes = [
            Write(
                key,
                item=tombstone(key, event, person.version),
                condition=UNCHANGED,
                names=VERSION,
                values={":known": person.version},
            )
        ]
        if person.subject is not None:
            writes += end_membership(tenant_id, person.subject)
        if person.is_administrator:
            writes.append(_leave_administrators(tenant_id, person.name, guarded=False))
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            raise ConcurrentChangeError(
                f"person {person.name} has changed meanwhile"
            ) from cancelled

    def _why_not(self, tenant_id: str, before: Person, after: Person) -> ConflictError:
        """What is there tells: the person as it was, and nobody else to run the tenant."""
        person, administrators = person_key(tenant_id, before.name), administrators_key(tenant_id)
        found = self._table.get_many([person, administrators])
        stands = found.get(person, {}).get("version") == before.version
        others = set(found.get(administrators, {}).get("names", ())) - {before.name}
        if stands and before.is_administrator and not after.is_administrator and not others:
            return LastAdministratorError(
                f"{before.name} is the last administrator who can sign in",
                remedy="Give another person the role tenant-admin first.",
            )
        return ConcurrentChangeError(f"person {before.name} has changed meanwhile")


def end_membership(tenant_id: str, subject: str) -> list[Write]:
    """The user is gone. The record stays disabled until the last of its tokens has ended."""
    gone = {
        "deleted_at": now().isoformat(),
        "expires_at": seconds(now() + PRINCIPAL_LIFETIME),
    }
    return [
        Write(membership_key(subject), item=gone),
        Write(
            principal_key(tenant_id, subject),
            kind="update",
            update="SET #status = :disabled, expires_at = :expires_at",
            names={"#status": "status"},
            values={":disabled": "Disabled", ":expires_at": gone["expires_at"]},
        ),
    ]


def _follow(tenant_id: str, before: Person, after: Person) -> list[Write]:
    """What else changes with a person: its principal, its membership and the administrators."""
    writes = []
    if after.subject is not None:
        writes.append(_principal(tenant_id, after, after.subject))
        if before.subject is None:
            member: Item = {"tenant_id": tenant_id}
            writes.append(Write(membership_key(after.subject), item=member))
    if after.is_administrator and not before.is_administrator:
        writes.append(
            Write(
                administrators_key(tenant_id),
                kind="update",
                update="ADD #names :name",
                names={"#names": "names"},
                values={":name": {after.name}},
            )
        )
    if before.is_administrator and not after.is_administrator:
        writes.append(_leave_administrators(tenant_id, before.name, guarded=True))
    return writes


def _leave_administrators(tenant_id: str, name: str, *, guarded: bool) -> Write:
    """Guarded, the last one cannot leave: two who leave at the same moment meet in this one item."""
    return Write(
        administrators_key(tenant_id),
        kind="update",
        update="DELETE #names :name",
        condition="contains(#names, :one_name) AND size(#names) > :one" if guarded else "",
        names={"#names": "names"},
        values={":name": {name}} | ({":one_name": name, ":one": 1} if guarded else {}),
    )


def _principal(tenant_id: str, person: Person, subject: str) -> Write:
    is_active = person.status in ENABLED or person.status in UNMADE
    return Write(
        principal_key(tenant_id, subject),
        kind="update",
        update=(
            "SET #kind = :kind, #name = :name, #status = :status, #roles = :roles, "
            "revoked_before = :revoked_before"
        ),
        names={"#kind": "kind", "#name": "name", "#status": "status", "#roles": "roles"},
        values={
            ":kind": "person",
            ":name": person.name,
            ":status": "Active" if is_active else "Disabled",
            ":roles": list(person.roles),
            ":revoked_before": person.revoked_before,
        },
    )
