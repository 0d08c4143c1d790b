"""The people of a tenant as a whole: its first administrator, and everybody's end."""

from dataclasses import dataclass

from controlplane.errors import AlreadyExistsError, ConcurrentChangeError, NotFoundError
from controlplane.events import SYSTEM
from controlplane.identifiers import now
from controlplane.people.model import (
    ADMINISTRATOR,
    UNMADE,
    KeyRevoked,
    Person,
    PersonInvited,
    PersonRemoved,
)
from controlplane.people.ports import KeyRing, MachineRepository, PersonRepository, UserPool
from controlplane.people.provisioning import make_user
from controlplane.people.usernames import key_username, person_username, tenant_group
from controlplane.requests import PageRequest

# Each takes a few calls of a service that allows few.
_AT_ONCE = 25


@dataclass(frozen=True)
class TenantPeople:
    """Makes and removes the people of a tenant; each call may be repeated, whatever became of the one before."""

    people: PersonRepository
    machines: MachineRepository
    ring: KeyRing
    pool: UserPool

    def ensure_administrator(self, tenant_id: str, name: str, email: str) -> None:
        """Make the tenant's first administrator and send the invitation; one who is there stays as they are.

        Raises InvalidRequestError for an address that takes no invitation, UnavailableError, ThrottledError,
        ConcurrentChangeError: all but the first may be repeated.
        """
        person = self._written_down(tenant_id, name, email)
        if person.status not in UNMADE:
            return
        try:
            make_user(tenant_id, person, people=self.people, pool=self.pool)
        except ConcurrentChangeError:
            # The event of the invitation does the same, and may have been quicker.
            if self.people.get(tenant_id, name).status in UNMADE:
                raise

    def remove_everyone(self, tenant_id: str) -> bool:
        """Remove some people and keys with their users and memberships; True when none are left.

        Raises UnavailableError, ThrottledError, ConcurrentChangeError: to be repeated.
        """
        if self._remove_people(tenant_id) or self._remove_keys(tenant_id):
            return False
        self.pool.remove_group(tenant_group(tenant_id))
        return True

    def _written_down(self, tenant_id: str, name: str, email: str) -> Person:
        try:
            return self.people.get(tenant_id, name)
        except NotFoundError:
            person = Person(
                name=name, email=email, roles=(ADMINISTRATOR,), created_at=now(), created_by=SYSTEM
            )
            event = PersonInvited(tenant_id=tenant_id, person=name, roles=person.roles)
        try:
            return self.people.add(tenant_id, person, event, None)
        except AlreadyExistsError:
            return self.people.get(tenant_id, name)

    def _remove_people(self, tenant_id: str) -> bool:
        """Whether there were any, or may be more."""
        page = self.people.list(tenant_id, PageRequest(_AT_ONCE))
        while not page.items and page.next_after:
            page = self.people.list(tenant_id, PageRequest(_AT_ONCE, page.next_after))
        for person in page.items:
            self.pool.remove(person_username(tenant_id, person.name))
            event = PersonRemoved(tenant_id=tenant_id, person=person.name)
            self.people.remove(tenant_id, person, event)
        return bool(page.items)

    def _remove_keys(self, tenant_id: str) -> bool:
        page = self.machines.list_keys(tenant_id, PageRequest(_AT_ONCE))
        while not page.items and page.next_after:
            page = self.machines.list_keys(tenant_id, PageRequest(_AT_ONCE, page.next_after))
        for key in page.items:
            self.pool.remove(key_username(tenant_id, key.key_id))
            event = KeyRevoked(tenant_id=tenant_id, key_id=key.key_id, machine=key.machine)
            self.ring.erase(tenant_id, key, event)
        return bool(page.items)
