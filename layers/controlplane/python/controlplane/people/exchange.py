"""What a key is good for: a short-lived token of this API, and the gateway's question whether it may call a model."""

import hmac
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from controlplane.errors import ConcurrentChangeError, UnauthenticatedError
from controlplane.identifiers import now, serving_namespace
from controlplane.people.keys import PresentedKey, read_key
from controlplane.people.model import ApiKey
from controlplane.people.ports import AccessToken, KeyRing, StoredKey, UserPool
from controlplane.people.usernames import key_username

USE_NOTED_EVERY = timedelta(minutes=1)
ACTIVE, SUSPENDED = "Active", "Suspended"


@dataclass(frozen=True)
class Exchanged:
    """A token, and the key that it was issued for."""

    token: AccessToken
    tenant_id: str
    key: ApiKey


@dataclass(frozen=True)
class KeyCheck:
    """Whether a key may do something. `reason` says why not, to the gateway and its log, never to who holds the key.

    Of a key that was not recognised nothing is told.
    """

    allowed: bool
    reason: str | None = None
    tenant: str | None = None
    machine: str | None = None
    key_id: str | None = None
    scopes: tuple[str, ...] = ()
    tier: str | None = None
    groups: tuple[str, ...] = ()


def exchange_key(text: str, *, ring: KeyRing, pool: UserPool, secret: bytes) -> Exchanged:
    """Sign the key's own user in, which is made at the first exchange.

    Raises UnauthenticatedError, in the same words whatever is wrong with the key, and UnavailableError.
    """
    presented = read_key(text)
    if presented is None:
        raise _refused()
    key = _proven(presented, ring).key
    if key is None:
        raise _refused()
    username = key_username(presented.tenant_id, key.key_id)
    password = derive_password(secret, presented.tenant_id, key.key_id)
    if key.subject is None:
        subject = pool.ensure_machine(username, password)
        try:
            key = ring.adopt(presented.tenant_id, key, subject)
        except ConcurrentChangeError as revoked:
            raise _refused() from revoked
    token = _issue(key, username, password, pool)
    moment = now()
    if key.last_used_at is None or moment - key.last_used_at >= USE_NOTED_EVERY:
        ring.note_use(presented.tenant_id, key, moment)
    return Exchanged(token, presented.tenant_id, key)


def check_key(text: str, action: str, path: str | None, *, ring: KeyRing) -> KeyCheck:
    """Whether a key may do `action`, on what lies at the gateway's `path` (`/serving/<namespace>/…`) if one is named.

    One read, and nothing is written. Raises UnavailableError.
    """
    presented = read_key(text)
    if presented is None:
        return KeyCheck(allowed=False, reason="malformed")
    stored = ring.find(presented.tenant_id, presented.key_id)
    key = stored.key
    if not presented.proves(key.digest if key else None) or key is None:
        return KeyCheck(allowed=False, reason="unknown")
    reason = _reason_against(presented, stored, key, action, path)
    return KeyCheck(
        allowed=reason is None,
        reason=reason,
        tenant=presented.tenant_id,
        machine=key.machine,
        key_id=key.key_id,
        scopes=key.scopes,
        tier=stored.tier,
        groups=key.groups,
    )


def derive_password(secret: bytes, tenant_id: str, key_id: str) -> str:
    """The password of a key's user: derived whenever it is needed, stored nowhere.

    The suffix is what a pool's policy may ask for beyond its 256 bits.
    """
    name = f"{tenant_id}/{key_id}".encode()
    return f"{hmac.new(secret, name, sha256).hexdigest()}-aA1"


def _proven(presented: PresentedKey, ring: KeyRing) -> StoredKey:
    """What is stored of a key that is all right. Raises UnauthenticatedError."""
    stored = ring.find(presented.tenant_id, presented.key_id)
    key = stored.key
    is_right = presented.proves(key.digest if key else None)
    if not is_right or key is None or not key.is_usable(now()) or stored.tenant_status != ACTIVE:
        raise _refused()
    return stored


def _issue(key: ApiKey, username: str, password: str, pool: UserPool) -> AccessToken:
    """A user whose password comes from an earlier secret gets the present one's. Raises UnauthenticatedError."""
    try:
        return pool.issue_token(username, password)
    except UnauthenticatedError:
        if pool.ensure_machine(username, password) != key.subject:
            raise _refused() from None
    try:
        return pool.issue_token(username, password)
    except UnauthenticatedError as locked:
        raise _refused() from locked


def _reason_against(
    presented: PresentedKey, stored: StoredKey, key: ApiKey, action: str, path: str | None
) -> str | None:
    if not key.is_usable(now()):
        return "expired_or_revoked"
    serves = stored.tenant_status == ACTIVE or (stored.tenant_status == SUSPENDED and stored.serves)
    if not serves:
        return "tenant_not_served"
    if action not in key.scopes:
        return "scope_missing"
    own = f"/serving/{serving_namespace(presented.tenant_id)}/"
    if path is not None and not path.startswith(own):
        return "other_tenant"
    return None


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError(
        "the API key is not valid",
        remedy="Check the key, or ask an administrator of your tenant for a new one.",
    )
