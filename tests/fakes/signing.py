"""Signing keys, and what stands in for scanners and signatures."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import BinaryIO

from controlplane.errors import NotFoundError
from controlplane.identifiers import now
from controlplane.registry.model import SigningKeyAdded, SigningKeyRevoked
from controlplane.registry.scan import Finding, FindingKind, Scan, ScanState
from controlplane.registry.signing_keys import SigningKey, SigningKeyStatus, known_already
from controlplane.requests import IdempotentRequest, Page, PageRequest
from tests.fakes.table import MemoryTable, change_project, create, page_of, require


class MemorySigningKeys:
    """A SigningKeyRepository."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def add(
        self,
        tenant_id: str,
        project: str,
        key: SigningKey,
        event: SigningKeyAdded,
        request: IdempotentRequest | None,
    ) -> SigningKey:
        place = (tenant_id, project, key.name)
        for known in self._of_project(tenant_id, project):
            if known.fingerprint == key.fingerprint and known.name != key.name:
                raise known_already(known)
        stored = create(self._table, self._table.signing_keys, place, key, request, now())
        if stored is key:
            if (tenant_id, project) not in self._table.projects:
                del self._table.signing_keys[place]
                raise NotFoundError(f"there is no project {project}")
            change_project(self._table, tenant_id, project, signing_keys=1)
            self._table.events.append(event)
        return stored

    def get(self, tenant_id: str, project: str, name: str) -> SigningKey:
        try:
            return self._table.signing_keys[tenant_id, project, name]
        except KeyError:
            raise NotFoundError(f"there is no signing key {name}") from None

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[SigningKey]:
        return page_of({key.name: key for key in self._of_project(tenant_id, project)}, page)

    def revoke(
        self, tenant_id: str, project: str, key: SigningKey, event: SigningKeyRevoked
    ) -> None:
        self._table.begin_write()
        require(self.get(tenant_id, project, key.name).version == key.version - 1)
        self._table.signing_keys[tenant_id, project, key.name] = key
        change_project(self._table, tenant_id, project, signing_keys=-1, revoked_keys=1)
        self._table.events.append(event)

    def active(self, tenant_id: str, project: str) -> Iterator[SigningKey]:
        for key in self.list(tenant_id, project, PageRequest()).items:
            if key.status is SigningKeyStatus.ACTIVE:
                yield key

    def _of_project(self, tenant_id: str, project: str) -> Sequence[SigningKey]:
        keys = self._table.signing_keys.items()
        return [key for at, key in keys if at[:2] == (tenant_id, project)]


class MemoryScanner:
    """An ArtifactScanner that finds what says of itself that it is dangerous."""

    def scan(self, path: str, model_format: str, content: BinaryIO) -> Scan:  # noqa: ARG002 - the port's
        if b"dangerous" not in content.read():
            return Scan(state=ScanState.CLEAN, scanner="memory", scanner_version="1")
        found = Finding(file=path, kind=FindingKind.DANGEROUS, detail="os.system")
        return Scan(
            state=ScanState.UNSAFE, scanner="memory", scanner_version="1", findings=(found,)
        )


class MemoryVerifier:
    """A SignatureVerifier of signatures that anybody can make: `sign`."""

    def verifies(self, public_key: bytes, signature: bytes, content: bytes) -> bool:
        return signature == self.sign(public_key, content)

    @staticmethod
    def sign(public_key: bytes, content: bytes) -> bytes:
        return sha256(public_key + content).digest() * 2
