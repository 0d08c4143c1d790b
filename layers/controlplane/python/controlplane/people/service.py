"""What can be done with the people of a tenant."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from controlplane.errors import (
    ConflictError,
    ForbiddenError,
    PreconditionFailedError,
)
from controlplane.identifiers import now, revocation_mark
from controlplane.people.model import (
    ENABLED,
    UNMADE,
    CredentialsResetRequested,
    Person,
    PersonDisabled,
    PersonEnabled,
    PersonEvent,
    PersonInvited,
    PersonRemovalRequested,
    PersonRequest,
    PersonRole,
    PersonRolesChanged,
    PersonStatus,
    PersonTokensRevoked,
)
from controlplane.people.ports import PersonRepository
from controlplane.requests import IdempotentRequest


def invite_person(
    tenant_id: str,
    wanted: PersonRequest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    people: PersonRepository,
) -> Person:
    """Write the person down; the event makes their user and sends the invitation. Raises what `add` raises."""
    person = Person(
        name=wanted.name,
        email=wanted.email,
        roles=tuple(dict.fromkeys(wanted.roles)),
        created_at=now(),
        created_by=created_by,
    )
    event = PersonInvited(tenant_id=tenant_id, person=person.name, roles=person.roles)
    return people.add(tenant_id, person, event, request)


def change_roles(
    tenant_id: str,
    name: str,
    roles: Sequence[PersonRole],
    changed_by: str,
    if_match: int | None,
    *,
    people: PersonRepository,
) -> Person:
    """Give a person these roles instead; they count at once where they are fewer, and with the next token where more.

    Raises NotFoundError, PreconditionFailedError, ForbiddenError for somebody who raises themselves,
    LastAdministratorError, ConcurrentChangeError.
    """
    person = _present(tenant_id, name, if_match, people)
    wanted = tuple(dict.fromkeys(roles))
    if person.subject == changed_by and set(wanted) - set(person.roles):
        raise ForbiddenError(
            "nobody gives themselves a role", remedy="Ask another administrator of your tenant."
        )
    event = PersonRolesChanged(tenant_id=tenant_id, person=name, roles=wanted)
    return _change(tenant_id, person, event, people, roles=wanted)


def disable_person(
    tenant_id: str, name: str, if_match: int | None, *, people: PersonRepository
) -> Person:
    """Lock a person out; their tokens open nothing within 5 s. Disabling them again changes nothing.

    Raises NotFoundError, PreconditionFailedError, LastAdministratorError, ConcurrentChangeError.
    """
    person = _present(tenant_id, name, if_match, people)
    if person.status is PersonStatus.DISABLED:
        return person
    event = PersonDisabled(tenant_id=tenant_id, person=name)
    return _change(
        tenant_id,
        person,
        event,
        people,
        status=PersonStatus.DISABLED,
        revoked_before=revocation_mark(now()),
    )


def enable_person(
    tenant_id: str, name: str, if_match: int | None, *, people: PersonRepository
) -> Person:
    """Let a disabled person in again, with new tokens. One whose user was never made is invited.

    Raises NotFoundError, PreconditionFailedError, ConcurrentChangeError.
    """
    person = _present(tenant_id, name, if_match, people)
    if person.status is not PersonStatus.DISABLED:
        return person
    if person.subject is None:
        status = PersonStatus.INVITING
    else:
        status = PersonStatus.ACTIVE if person.signed_in_at else PersonStatus.INVITED
    event = PersonEnabled(tenant_id=tenant_id, person=name)
    return _change(tenant_id, person, event, people, status=status)


def reset_credentials(
    tenant_id: str, name: str, if_match: int | None, *, people: PersonRepository
) -> Person:
    """End a person's sessions and send them a code for a new password; who never came is invited once more.

    Raises NotFoundError, PreconditionFailedError, ConflictError for a disabled person, ConcurrentChangeError.
    """
    person = _present(tenant_id, name, if_match, people)
    event: PersonEvent
    if person.status in UNMADE:
        event = PersonInvited(tenant_id=tenant_id, person=name, roles=person.roles)
        return _change(tenant_id, person, event, people, status=PersonStatus.INVITING, reason=None)
    if person.status not in ENABLED:
        raise ConflictError(f"{name} is {person.status.lower()}", remedy="Enable the person first.")
    event = CredentialsResetRequested(tenant_id=tenant_id, person=name)
    mark = revocation_mark(now())
    return _change(tenant_id, person, event, people, reset=str(uuid4()), revoked_before=mark)


def revoke_person_tokens(
    tenant_id: str, name: str, if_match: int | None, *, people: PersonRepository
) -> Person:
    """End every session of a person; they may sign in again. Raises NotFoundError, PreconditionFailedError,
    ConcurrentChangeError."""
    person = _present(tenant_id, name, if_match, people)
    event = PersonTokensRevoked(tenant_id=tenant_id, person=name)
    return _change(tenant_id, person, event, people, revoked_before=revocation_mark(now()))


def remove_person(
    tenant_id: str, name: str, if_match: int | None, *, people: PersonRepository
) -> Person:
    """Lock a person out for good; the event removes their user, and then the name is free.

    Raises NotFoundError, PreconditionFailedError, LastAdministratorError, ConcurrentChangeError.
    """
    person = people.get(tenant_id, name)
    _require_version(person, if_match)
    if person.status is PersonStatus.REMOVING:
        return person
    event = PersonRemovalRequested(tenant_id=tenant_id, person=name)
    return _change(
        tenant_id,
        person,
        event,
        people,
        status=PersonStatus.REMOVING,
        revoked_before=revocation_mark(now()),
    )


def _present(tenant_id: str, name: str, if_match: int | None, people: PersonRepository) -> Person:
    person = people.get(tenant_id, name)
    _require_version(person, if_match)
    if person.status is PersonStatus.REMOVING:
        raise ConflictError(f"{name} is being removed", remedy="Invite the person anew afterwards.")
    return person


def _require_version(person: Person, if_match: int | None) -> None:
    if if_match is not None and if_match != person.version:
        raise PreconditionFailedError(
            f"{person.name} has changed: the person is at version {person.version}"
        )


def _change(
    tenant_id: str,
    person: Person,
    event: PersonEvent,
    people: PersonRepository,
    **changes: Any,
) -> Person:
    return people.change(tenant_id, person, person.model_copy(update=changes), event)
