"""Signing keys: SIGNINGKEY#<name> in the project's partition, and REVOKEDSIGNINGKEYS with the names of revoked ones."""

from collections.abc import Iterator

from controlplane.adapters.dynamodb_items import as_item, create, put_over
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    project_partition,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.registry.model import SigningKeyAdded, SigningKeyRevoked
from controlplane.registry.signing_keys import SigningKey, SigningKeyStatus
from controlplane.requests import IdempotentRequest, Page, PageRequest


def signing_key_key(tenant_id: str, project: str, name: str) -> Key:
    return Key(project_partition(tenant_id, project), f"SIGNINGKEY#{name}")


def revoked_keys_key(tenant_id: str, project: str) -> Key:
    """One item that is read with a version to be judged, whoever signed it."""
    return Key(project_partition(tenant_id, project), "REVOKEDSIGNINGKEYS")


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
        return SigningKey.model_validate(create(self._table, tenant_id, item, request))

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
        try:
            self._table.transact(
                [put_over(place, as_item(place, key, event), key.version - 1), named]
            )
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError(
                f"signing key {key.name} has changed meanwhile"
            ) from changed

    def active(self, tenant_id: str, project: str) -> Iterator[SigningKey]:
        after: str | None = None
        while True:
            page = self.list(tenant_id, project, PageRequest(after=after))
            yield from (key for key in page.items if key.status is SigningKeyStatus.ACTIVE)
            after = page.next_after
            if after is None:
                return
