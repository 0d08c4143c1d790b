"""What signed manifests need from the outside world."""

from collections.abc import Iterable
from typing import Protocol

from controlplane.registry.model import SigningKeyAdded, SigningKeyRevoked
from controlplane.registry.signing_keys import SigningKey
from controlplane.requests import IdempotentRequest, Page, PageRequest


class SigningKeyRepository(Protocol):
    def add(
        self,
        tenant_id: str,
        project: str,
        key: SigningKey,
        event: SigningKeyAdded,
        request: IdempotentRequest | None,
    ) -> SigningKey:
        """Store a new key.

        Raises AlreadyExistsError, also for a key that the project has by another name, NotFoundError for an unknown
        project, IdempotencyKeyReusedError, RequestInFlightError.
        """
        ...

    def get(self, tenant_id: str, project: str, name: str) -> SigningKey:
        """Raises NotFoundError."""
        ...

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[SigningKey]:
        """Keys by name, revoked ones as well."""
        ...

    def revoke(
        self, tenant_id: str, project: str, key: SigningKey, event: SigningKeyRevoked
    ) -> None:
        """Store the key as revoked, and its name where versions are judged. Raises ConcurrentChangeError."""
        ...

    def active(self, tenant_id: str, project: str) -> Iterable[SigningKey]:
        """Every key that is trusted."""
        ...


class SignatureVerifier(Protocol):
    def verifies(self, public_key: bytes, signature: bytes, content: bytes) -> bool:
        """Whether the key of 32 bytes made the Ed25519 signature of the content; what is none is not made by it."""
        ...
