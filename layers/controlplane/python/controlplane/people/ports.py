"""What people and machines need from the outside world."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controlplane.events import DomainEvent
from controlplane.people.model import (
    ApiKey,
    KeyCreated,
    KeyRevoked,
    Machine,
    MachineCreated,
    MachineDeleted,
    Person,
    PersonActivated,
    PersonInvited,
    PersonRemoved,
)
from controlplane.requests import IdempotentRequest, Page, PageRequest


class PersonRepository(Protocol):
    def add(
        self,
        tenant_id: str,
        person: Person,
        event: PersonInvited,
        request: IdempotentRequest | None,
    ) -> Person:
        """Store a new person. A repeat of the same idempotent request returns the first answer.

        Raises AlreadyExistsError, IdempotencyKeyReusedError, RequestInFlightError.
        """
        ...

    def get(self, tenant_id: str, name: str) -> Person:
        """Raises NotFoundError."""
        ...

    def list(self, tenant_id: str, page: PageRequest) -> Page[Person]:
        """People by name."""
        ...

    def change(
        self, tenant_id: str, before: Person, after: Person, event: DomainEvent | None
    ) -> Person:
        """Store a person over the state it was read in, its principal and the administrators with it: all or nothing.

        A person that gets its `subject` by this becomes a member. Returns it as it is stored. Raises
        LastAdministratorError when no enabled administrator would remain, ConcurrentChangeError when the person has
        changed meanwhile.
        """
        ...

    def note_sign_in(
        self,
        tenant_id: str,
        name: str,
        subject: str,
        moment: int,
        activated: PersonActivated | None,
    ) -> None:
        """Keep when a person signed in; with the event, they did so for the first time.

        Raises ConcurrentChangeError when the person is no more what the event needs.
        """
        ...

    def remove(self, tenant_id: str, person: Person, event: PersonRemoved) -> None:
        """Remove the person and its membership. Raises ConcurrentChangeError."""
        ...


class MachineRepository(Protocol):
    def add_machine(
        self,
        tenant_id: str,
        machine: Machine,
        event: MachineCreated,
        request: IdempotentRequest | None,
    ) -> Machine:
        """Raises AlreadyExistsError, IdempotencyKeyReusedError, RequestInFlightError."""
        ...

    def get_machine(self, tenant_id: str, name: str) -> Machine:
        """Raises NotFoundError."""
        ...

    def list_machines(self, tenant_id: str, page: PageRequest) -> Page[Machine]: ...

    def remove_machine(self, tenant_id: str, machine: Machine, event: MachineDeleted) -> None:
        """Raises ConcurrentChangeError unless it still is in this state and has no active key."""
        ...

    def add_key(
        self,
        tenant_id: str,
        key: ApiKey,
        event: KeyCreated,
        request: IdempotentRequest | None,
    ) -> ApiKey:
        """Store a new key of a machine that is there and has room for one.

        Returns the key as it was made first when the request is a repeat. Raises IdempotencyKeyReusedError,
        RequestInFlightError when it could not be made, as when the machine has just gone or is full.
        """
        ...

    def get_key(self, tenant_id: str, key_id: str) -> ApiKey:
        """Raises NotFoundError."""
        ...

    def list_keys(self, tenant_id: str, page: PageRequest) -> Page[ApiKey]: ...

    def revoke_keys(self, tenant_id: str, keys: Sequence[tuple[ApiKey, KeyRevoked]]) -> None:
        """Revoke active keys with their users' tokens: all or nothing, at most 20 at once.

        Raises ConcurrentChangeError when one of them has changed meanwhile.
        """
        ...


@dataclass(frozen=True)
class StoredKey:
    """A key with what decides about its use: the tenant's status, tier and what its suspension stops."""

    key: ApiKey | None
    tenant_status: str | None
    tier: str = ""
    serves: bool = True


class KeyRing(Protocol):
    """Keys as those use them who hold one."""

    def find(self, tenant_id: str, key_id: str) -> StoredKey:
        """One read, whatever is there."""
        ...

    def adopt(self, tenant_id: str, key: ApiKey, subject: str) -> ApiKey:
        """Make the user the key's own and a member of the tenant. Raises ConcurrentChangeError when it was revoked."""
        ...

    def note_use(self, tenant_id: str, key: ApiKey, moment: datetime) -> None:
        """Keep when the key was used last. A key that has changed meanwhile is left as it is."""
        ...

    def forget_user(self, tenant_id: str, key: ApiKey) -> None:
        """The user of a revoked key is gone, and its membership with it."""
        ...

    def erase(self, tenant_id: str, key: ApiKey, event: KeyRevoked) -> None:
        """Leave nothing of a key but a tombstone, and nothing of its membership. Raises ConcurrentChangeError."""
        ...


@dataclass(frozen=True)
class AccessToken:
    """A token and the seconds that it is valid."""

    token: str
    expires_in: int


class UserPool(Protocol):
    """Who can sign in. Every call may be repeated. Raises UnavailableError, ThrottledError."""

    def ensure_group(self, name: str) -> None: ...

    def remove_group(self, name: str) -> None: ...

    def ensure_person(self, username: str, email: str) -> str:
        """The user's `sub`; one that is made is invited by e-mail. Raises InvalidRequestError if it cannot be."""
        ...

    def ensure_machine(self, username: str, password: str) -> str:
        """The user's `sub`; nobody is told."""
        ...

    def set_groups(self, username: str, groups: Sequence[str]) -> None: ...

    def enable(self, username: str) -> None: ...

    def disable(self, username: str) -> None:
        """Neither password nor refresh token opens anything from now on."""
        ...

    def sign_out(self, username: str) -> None: ...

    def reset_password(self, username: str, email: str) -> None:
        """Send the user a code, or once more the invitation if it was never taken up."""
        ...

    def remove(self, username: str) -> None: ...

    def issue_token(self, username: str, password: str) -> AccessToken:
        """Sign a machine's user in."""
        ...
