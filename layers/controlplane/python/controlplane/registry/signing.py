"""Which keys a project trusts, and whether one of them signed a manifest."""

from base64 import b64decode
from collections.abc import Iterable
from hashlib import sha256

from pydantic import ValidationError

from controlplane.errors import UploadRejectedError
from controlplane.identifiers import now
from controlplane.registry.manifest import Manifest
from controlplane.registry.model import SigningKeyAdded, SigningKeyRevoked
from controlplane.registry.signatures import (
    PAYLOAD_TYPE,
    Envelope,
    SignatureRecord,
    decode_base64,
)
from controlplane.registry.signing_keys import (
    SigningKey,
    SigningKeyRequest,
    SigningKeyStatus,
)
from controlplane.registry.signing_ports import SignatureVerifier, SigningKeyRepository
from controlplane.requests import IdempotentRequest, require_version

_REMEDY = (
    "Sign the manifest as it is uploaded, with an active signing key of the project, and upload it again "
    "(docs/runbooks/signing.md)."
)


def add_signing_key(
    tenant_id: str,
    project: str,
    wanted: SigningKeyRequest,
    created_by: str,
    request: IdempotentRequest | None,
    *,
    keys: SigningKeyRepository,
) -> SigningKey:
    """Trust a key.

    Raises NotFoundError for an unknown project, AlreadyExistsError also for a revoked key's name, and for a key that
    the project has by another name, revoked or not: else it would be trusted by one when the other is revoked.
    """
    fingerprint = sha256(b64decode(wanted.public_key)).hexdigest()
    key = SigningKey(
        name=wanted.name,
        public_key=wanted.public_key,
        fingerprint=fingerprint,
        description=wanted.description,
        created_at=now(),
        created_by=created_by,
    )
    event = SigningKeyAdded(
        tenant_id=tenant_id,
        project=project,
        signing_key=key.name,
        fingerprint=fingerprint,
        added_by=created_by,
    )
    return keys.add(tenant_id, project, key, event, request)


def revoke_signing_key(
    tenant_id: str,
    project: str,
    name: str,
    revoked_by: str,
    if_match: int | None,
    *,
    keys: SigningKeyRepository,
) -> SigningKey:
    """Trust a key no more, nor what it signed. Revoking twice is harmless.

    Raises NotFoundError, PreconditionFailedError, ConcurrentChangeError.
    """
    key = keys.get(tenant_id, project, name)
    require_version(if_match, key.version, f"signing key {name}")
    if key.status is SigningKeyStatus.REVOKED:
        return key
    revoked = key.model_copy(
        update={
            "status": SigningKeyStatus.REVOKED,
            "revoked_at": now(),
            "revoked_by": revoked_by,
            "version": key.version + 1,
        }
    )
    event = SigningKeyRevoked(
        tenant_id=tenant_id,
        project=project,
        signing_key=name,
        fingerprint=key.fingerprint,
        revoked_by=revoked_by,
    )
    keys.revoke(tenant_id, project, revoked, event)
    return revoked


def verify_signature(
    tenant_id: str,
    project: str,
    manifest: Manifest | None,
    *,
    keys: SigningKeyRepository,
    verifier: SignatureVerifier,
) -> SignatureRecord | None:
    """Who signed the manifest; None for one that is not signed.

    One good signature by an active key is enough. Raises UploadRejectedError (SignatureInvalid).
    """
    if manifest is None or manifest.signature is None:
        return None
    envelope = manifest.signature
    if envelope.payload_type != PAYLOAD_TYPE:
        raise _invalid(f"its payloadType is {envelope.payload_type}, not {PAYLOAD_TYPE}")
    signer = _signer(envelope, keys.active(tenant_id, project), verifier)
    if signer is None:
        raise _invalid("no active signing key of the project made one of its signatures")
    if _signed_manifest(envelope).meaning != manifest.meaning:
        raise _invalid("what was signed is another manifest")
    return SignatureRecord(
        key_id=signer.name,
        fingerprint=signer.fingerprint,
        verified_at=now(),
        names_model=None not in (manifest.project, manifest.model),
    )


def _signer(
    envelope: Envelope, keys: Iterable[SigningKey], verifier: SignatureVerifier
) -> SigningKey | None:
    signed = envelope.signed_bytes
    # Also those by other algorithms, which no key verifies: they are skipped (DSSE, protocol.md).
    signatures = [decode_base64(signature.sig) for signature in envelope.signatures]
    for key in keys:
        public_key = b64decode(key.public_key)
        if any(verifier.verifies(public_key, signature, signed) for signature in signatures):
            return key
    return None


def _signed_manifest(envelope: Envelope) -> Manifest:
    """The manifest in the payload, which has no signature of its own: it is the one that counts."""
    try:
        signed = Manifest.model_validate_json(envelope.content)
    except (ValidationError, UnicodeDecodeError) as malformed:
        raise _invalid("what was signed is no manifest") from malformed
    if signed.signature is not None:
        raise _invalid("what was signed holds a signature itself")
    return signed


def _invalid(why: str) -> UploadRejectedError:
    return UploadRejectedError(
        "SignatureInvalid", f"the manifest's signature is refused: {why}", remedy=_REMEDY
    )
