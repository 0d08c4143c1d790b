"""What can be done with machines and their keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from controlplane.errors import (
    ConcurrentChangeError,
    ConflictError,
    InUseError,
    LimitExceededError,
    SecretShownError,
)
from controlplane.identifiers import now
from controlplane.people.keys import mint, new_key_id
from controlplane.people.model import (
    MAX_KEYS_OF_A_MACHINE,
    ApiKey,
    KeyCreated,
    KeyRequest,
    KeyRevoked,
    KeyStatus,
    Machine,
    MachineCreated,
    MachineDeleted,
    MachineRequest,
    RevocationRequest,
)
from controlplane.people.ports import MachineRepository
from controlplane.requests import IdempotentRequest, PageRequest, require_version

# Keys of one transaction: each takes two writes and up to one for its machine, and 100 are allowed.
KEYS_AT_ONCE = 20
# Keys of one request.
KEYS_PER_REQUEST = 100


@dataclass(frozen=True)
class CreatedKey:
    """A new key and its text, which is shown once and kept nowhere."""

    key: ApiKey
    text: str


@dataclass(frozen=True)
class Revocation:
    """The keys that a request has revoked or, in a dry run, would revoke; `more` when there are still others."""

    keys: Sequence[ApiKey]
    more: bool


def create_machine(
    tenant_id: str,
    wanted: MachineRequest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    machines: MachineRepository,
) -> Machine:
    """Raises what the repository's `add_machine` raises."""
    machine = Machine(
        name=wanted.name,
        description=wanted.description,
        roles=tuple(dict.fromkeys(wanted.roles)),
        groups=wanted.groups,
        created_at=now(),
        created_by=created_by,
    )
    event = MachineCreated(tenant_id=tenant_id, machine=machine.name)
    return machines.add_machine(tenant_id, machine, event, request)


def delete_machine(
    tenant_id: str, name: str, if_match: int | None, *, machines: MachineRepository
) -> None:
    """Raises NotFoundError, PreconditionFailedError, InUseError while it has active keys, ConcurrentChangeError."""
    machine = machines.get_machine(tenant_id, name)
    require_version(if_match, machine.version, f"machine {name}")
    if machine.active_keys:
        raise InUseError(
            f"machine {name} still has {machine.active_keys} active keys",
            remedy="Revoke its keys first.",
        )
    machines.remove_machine(tenant_id, machine, MachineDeleted(tenant_id=tenant_id, machine=name))


def create_key(
    tenant_id: str,
    wanted: KeyRequest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    machines: MachineRepository,
) -> CreatedKey:
    """A new key of a machine.

    Raises NotFoundError for an unknown machine, LimitExceededError when it has as many keys as it may,
    SecretShownError for a repeat, IdempotencyKeyReusedError, RequestInFlightError.
    """
    machine = machines.get_machine(tenant_id, wanted.machine)
    if machine.active_keys >= MAX_KEYS_OF_A_MACHINE:
        raise LimitExceededError(
            f"machine {machine.name} has {machine.active_keys} active keys of at most "
            f"{MAX_KEYS_OF_A_MACHINE}",
            remedy="Revoke a key that is no longer used.",
        )
    key_id = new_key_id()
    text, digest = mint(tenant_id, key_id)
    moment = now()
    key = ApiKey(
        key_id=key_id,
        machine=machine.name,
        description=wanted.description,
        roles=machine.roles,
        groups=machine.groups,
        scopes=tuple(dict.fromkeys(wanted.scopes)),
        digest=digest,
        valid_until=moment + timedelta(days=wanted.valid_days),
        created_at=moment,
        created_by=created_by,
    )
    event = KeyCreated(
        tenant_id=tenant_id,
        key_id=key_id,
        machine=machine.name,
        scopes=key.scopes,
        valid_until=key.valid_until,
    )
    stored = machines.add_key(tenant_id, key, event, request)
    if stored.key_id != key_id:
        raise SecretShownError(
            f"this request has made the key {stored.key_id} before, and its secret was shown then",
            remedy=f"If you have lost it, revoke {stored.key_id} and repeat with a new Idempotency-Key.",
        )
    return CreatedKey(stored, text)


def revoke_key(
    tenant_id: str, key_id: str, if_match: int | None, *, machines: MachineRepository
) -> ApiKey:
    """Its tokens open nothing within 5 s. Revoking it again changes nothing.

    Raises NotFoundError, PreconditionFailedError, ConcurrentChangeError.
    """
    key = machines.get_key(tenant_id, key_id)
    require_version(if_match, key.version, f"key {key_id}")
    if key.status is KeyStatus.REVOKED:
        return key
    machines.revoke_keys(tenant_id, [(key, _revoked(tenant_id, key))])
    return key.model_copy(update={"status": KeyStatus.REVOKED, "version": key.version + 1})


def revoke_keys(
    tenant_id: str, wanted: RevocationRequest, *, machines: MachineRepository
) -> Revocation:
    """Revoke the active keys of a machine, or all, at most 100 a call; a dry run only lists them.

    Raises ConflictError when keys change under the revocation: those before it are revoked, a repeat goes on.
    """
    found = list(islice(_active_keys(tenant_id, wanted.machine, machines), KEYS_PER_REQUEST + 1))
    keys, more = found[:KEYS_PER_REQUEST], len(found) > KEYS_PER_REQUEST
    if wanted.dry_run:
        return Revocation(keys, more)
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        try:
            machines.revoke_keys(tenant_id, [(key, _revoked(tenant_id, key)) for key in some])
        except ConcurrentChangeError as changed:
            raise ConflictError(
                f"keys have changed meanwhile; {start} are revoked", remedy="Repeat the request."
            ) from changed
    return Revocation(keys, more)


def _active_keys(
    tenant_id: str, machine: str | None, machines: MachineRepository
) -> Iterator[ApiKey]:
    after: str | None = None
    while True:
        page = machines.list_keys(tenant_id, PageRequest(after=after))
        for key in page.items:
            if key.status is KeyStatus.ACTIVE and machine in (None, key.machine):
                yield key
        after = page.next_after
        if after is None:
            return


def _revoked(tenant_id: str, key: ApiKey) -> KeyRevoked:
    return KeyRevoked(tenant_id=tenant_id, key_id=key.key_id, machine=key.machine)
