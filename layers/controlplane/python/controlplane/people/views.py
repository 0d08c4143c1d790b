"""People, machines and keys as callers see them."""

from datetime import UTC, datetime
from typing import Self

from pydantic import BaseModel, Field

from controlplane.people.machines import Revocation
from controlplane.people.model import ApiKey, Machine, Person


class PersonView(BaseModel):
    """Somebody of the tenant. `reason` tells why an invitation failed, `signed_in_at` is exact to the hour."""

    name: str
    email: str
    roles: list[str]
    status: str
    subject: str | None
    reason: str | None
    created_at: datetime
    created_by: str
    signed_in_at: datetime | None

    @classmethod
    def of(cls, person: Person) -> Self:
        seen = person.signed_in_at
        return cls(
            name=person.name,
            email=person.email,
            roles=list(person.roles),
            status=person.status.value,
            subject=person.subject,
            reason=person.reason,
            created_at=person.created_at,
            created_by=person.created_by,
            signed_in_at=datetime.fromtimestamp(seen, UTC) if seen else None,
        )


class MachineView(BaseModel):
    """A system with keys of its own; `active_keys` are those that nobody has revoked, expired ones included."""

    name: str
    description: str
    roles: list[str]
    groups: list[str]
    active_keys: int
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, machine: Machine) -> Self:
        return cls.model_validate(machine.model_dump(exclude={"version"}))


class KeyView(BaseModel):
    """A key without its secret, which is kept nowhere. `last_used_at` is exact to the minute."""

    key_id: str
    machine: str
    description: str
    scopes: list[str]
    status: str
    valid_until: datetime
    created_at: datetime
    created_by: str
    last_used_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls.model_validate(key.model_dump(mode="json", include=set(cls.model_fields)))


class NewKeyView(KeyView):
    """A new key with its text: the only time that it is shown."""

    api_key: str = Field(description="Shown once; keep it where secrets are kept")


class RevocationView(BaseModel):
    """The keys that were revoked or, in a dry run, would be; with `more` there are others: repeat the request."""

    dry_run: bool
    keys: list[KeyView]
    more: bool

    @classmethod
    def of(cls, revocation: Revocation, *, dry_run: bool) -> Self:
        keys = [KeyView.of(key) for key in revocation.keys]
        return cls(dry_run=dry_run, keys=keys, more=revocation.more)
