"""Bringing the user pool in line with what the table says of people and keys.

Events only say where to look: what is done follows from the state that is found there, so that it does not matter
how often they come, nor in which order.
"""

from controlplane.errors import HeadraceError, InvalidRequestError, NotFoundError
from controlplane.identifiers import now
from controlplane.people.model import (
    UNMADE,
    InvitationFailed,
    InvitationSent,
    KeyStatus,
    Person,
    PersonActivated,
    PersonRemoved,
    PersonStatus,
)
from controlplane.people.ports import KeyRing, MachineRepository, PersonRepository, UserPool
from controlplane.people.usernames import key_username, person_username, tenant_group

# A person's last sign-in is known this exactly.
SIGN_IN_SECONDS = 3600


def apply_person(
    tenant_id: str,
    name: str,
    *,
    ends_sessions: bool = False,
    people: PersonRepository,
    pool: UserPool,
) -> None:
    """Make, lock, unlock, group, reset or remove a person's user, whichever the person's state asks for.

    Raises UnavailableError, ThrottledError, ConcurrentChangeError: to be repeated.
    """
    try:
        person = people.get(tenant_id, name)
    except NotFoundError:
        return
    username = person_username(tenant_id, name)
    if person.status in UNMADE:
        _invite(tenant_id, person, people, pool)
    elif person.status is PersonStatus.REMOVING:
        pool.remove(username)
        people.remove(tenant_id, person, PersonRemoved(tenant_id=tenant_id, person=name))
    elif person.status is PersonStatus.DISABLED:
        if person.subject is not None:
            pool.disable(username)
    else:
        pool.enable(username)
        _group(tenant_id, person, pool)
        if ends_sessions:
            pool.sign_out(username)
        if person.reset is not None:
            pool.reset_password(username, person.email)
            people.change(tenant_id, person, person.model_copy(update={"reset": None}), None)


def make_user(
    tenant_id: str, person: Person, *, people: PersonRepository, pool: UserPool
) -> Person:
    """Make a person's user and, in one write, the person a member.

    A crash in between leaves a user who is no member, and the next attempt takes it up. Raises InvalidRequestError
    for an address that takes no invitation, UnavailableError, ThrottledError, ConcurrentChangeError.
    """
    subject = pool.ensure_person(person_username(tenant_id, person.name), person.email)
    pool.ensure_group(tenant_group(tenant_id))
    _group(tenant_id, person, pool)
    invited = person.model_copy(
        update={"status": PersonStatus.INVITED, "subject": subject, "reason": None}
    )
    event = InvitationSent(tenant_id=tenant_id, person=person.name)
    return people.change(tenant_id, person, invited, event)


def note_sign_in(
    tenant_id: str, name: str, subject: str, last: int | None, *, people: PersonRepository
) -> None:
    """Keep that a person signs in, at most once an hour; the first time makes them Active.

    `last` is the moment kept before, in seconds since the epoch. Raises ConcurrentChangeError.
    """
    moment = int(now().timestamp())
    if last is not None and moment - last < SIGN_IN_SECONDS:
        return
    activated = PersonActivated(tenant_id=tenant_id, person=name) if last is None else None
    people.note_sign_in(tenant_id, name, subject, moment, activated)


def remove_key_user(
    tenant_id: str, key_id: str, *, machines: MachineRepository, ring: KeyRing, pool: UserPool
) -> None:
    """Remove the user of a revoked key. Raises UnavailableError, ThrottledError: to be repeated."""
    pool.remove(key_username(tenant_id, key_id))
    try:
        key = machines.get_key(tenant_id, key_id)
    except NotFoundError:
        return
    if key.status is KeyStatus.REVOKED and key.subject is not None:
        ring.forget_user(tenant_id, key)


def _invite(tenant_id: str, person: Person, people: PersonRepository, pool: UserPool) -> None:
    """What cannot be is recorded and waits for a person; what may succeed later is recorded and repeated."""
    try:
        make_user(tenant_id, person, people=people, pool=pool)
    except InvalidRequestError as refused:
        _record_failure(tenant_id, person, refused, people)
    except HeadraceError as failed:
        if person.status is PersonStatus.INVITING and not _has_changed(tenant_id, person, people):
            _record_failure(tenant_id, person, failed, people)
        raise


def _has_changed(tenant_id: str, person: Person, people: PersonRepository) -> bool:
    return people.get(tenant_id, person.name).version != person.version


def _record_failure(
    tenant_id: str, person: Person, failure: HeadraceError, people: PersonRepository
) -> None:
    reason = str(failure)
    if (person.status, person.reason) == (PersonStatus.FAILED, reason):
        return
    failed = person.model_copy(update={"status": PersonStatus.FAILED, "reason": reason})
    event = InvitationFailed(tenant_id=tenant_id, person=person.name, reason=reason)
    people.change(tenant_id, person, failed, event)


def _group(tenant_id: str, person: Person, pool: UserPool) -> None:
    username = person_username(tenant_id, person.name)
    pool.set_groups(username, [tenant_group(tenant_id), *person.roles])
