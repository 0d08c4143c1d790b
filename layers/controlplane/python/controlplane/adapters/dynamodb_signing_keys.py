"""Signing keys: SIGNINGKEY#<name> in the project's partition.

REVOKEDSIGNINGKEYS has the names of revoked ones, and the fingerprints of all: none is added by a second name.
"""

from collections.abc import Iterator

from controlplane.adapters.dynamodb_items import as_item, create, put_over
from controlplane.adapters.dynamodb_project_keys import revoked_keys_key, signing_key_key
from controlplane.adapters.dynamodb_projects import project_change, project_key
from controlplane.adapters.dynamodb_table import (
    Item,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    project_partition,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError, RequestInFlightError
from controlplane.registry.model import SigningKeyAdded, SigningKeyRevoked
from controlplane.registry.signing_keys import SigningKey, SigningKeyStatus, known_already
from controlplane.requests import IdempotentRequest, Page, PageRequest


def revoked_names(item: Item | None) -> frozenset[str]:
    return frozenset((item or {}).get("names", ()))


class DynamoDBSigningKeys:
    """A SigningKeyRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(
        self,
        tenant_id: str,
        project: str,
        key: SigningKey,
        event: SigningKeyAdded,
        request: IdempotentRequest | None,
    ) -> SigningKey:
        item = as_item(signing_key_key(tenant_id, project, key.name), key, event)
        counted = project_change(tenant_id, project, "ADD signing_keys :one, #version :one")
        only_name = Write(
            revoked_keys_key(tenant_id, project),
            kind="update",
            update="ADD fingerprints :own",
            condition="NOT contains(fingerprints, :fingerprint)",
            values={":own": {key.fingerprint}, ":fingerprint": key.fingerprint},
        )
        try:
            made = create(self._table, tenant_id, item, request, also=[counted, only_name])
        except RequestInFlightError:
            self._raise_if_refused(tenant_id, project, key)
            raise
        return SigningKey.model_validate(made)

    def get(self, tenant_id: str, project: str, name: str) -> SigningKey:
        item = self._table.get(signing_key_key(tenant_id, project, name))
        if is_tombstone(item):
            raise NotFoundError(f"there is no signing key {name}")
        return SigningKey.model_validate(item)

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[SigningKey]:
        found = self._table.query(project_partition(tenant_id, project), "SIGNINGKEY#", page)
        return Page([SigningKey.model_validate(item) for item in found.items], found.next_after)

    def revoke(
        self, tenant_id: str, project: str, key: SigningKey, event: SigningKeyRevoked
    ) -> None:
        place = signing_key_key(tenant_id, project, key.name)
        named = Write(
            revoked_keys_key(tenant_id, project),
            kind="update",
            update="ADD #names :name",
            names={"#names": "names"},
            values={":name": {key.name}},
        )
        counts = "ADD signing_keys :less, revoked_keys :one, #version :one"
        counted = project_change(tenant_id, project, counts, {":less": -1})
        try:
            self._table.transact(
                [put_over(place, as_item(place, key, event), key.version - 1), named, counted]
            )
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError(
                f"signing key {key.name} has changed meanwhile"
            ) from changed

    def _raise_if_refused(self, tenant_id: str, project: str, key: SigningKey) -> None:
        if is_tombstone(self._table.get(project_key(tenant_id, project))):
            raise NotFoundError(f"there is no project {project}")
        for known in self._all(tenant_id, project):
            if known.fingerprint == key.fingerprint:
                raise known_already(known)

    def active(self, tenant_id: str, project: str) -> Iterator[SigningKey]:
        for key in self._all(tenant_id, project):
            if key.status is SigningKeyStatus.ACTIVE:
                yield key

    def _all(self, tenant_id: str, project: str) -> Iterator[SigningKey]:
        after: str | None = None
        while True:
            page = self.list(tenant_id, project, PageRequest(after=after))
            yield from page.items
            after = page.next_after
            if after is None:
                return
