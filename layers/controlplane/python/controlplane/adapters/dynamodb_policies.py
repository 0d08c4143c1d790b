"""A tenant's policies: POLICY#<name>, and all that its requests ask in POLICIES, which the access read fetches."""

from controlplane.adapters.dynamodb_items import as_item, create, put_over, tombstone
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    tenant_partition,
)
from controlplane.adapters.dynamodb_tenants import policies_key
from controlplane.authorization.model import (
    Policy,
    PolicyBook,
    PolicyChanged,
    PolicyCreated,
    PolicyDeleted,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.requests import IdempotentRequest, Page, PageRequest


def policy_key(tenant_id: str, name: str) -> Key:
    return Key(tenant_partition(tenant_id), f"POLICY#{name}")


class DynamoDBPolicies:
    """A PolicyRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(
        self,
        tenant_id: str,
        policy: Policy,
        book: PolicyBook,
        event: PolicyCreated,
        request: IdempotentRequest | None,
    ) -> Policy:
        item = as_item(policy_key(tenant_id, policy.name), policy, event)
        also = [_book_write(tenant_id, book)]
        return Policy.model_validate(create(self._table, tenant_id, item, request, also=also))

    def book(self, tenant_id: str) -> PolicyBook:
        return PolicyBook.model_validate(self._table.get(policies_key(tenant_id)) or {})

    def get(self, tenant_id: str, name: str) -> Policy:
        return _policy(name, self._table.get(policy_key(tenant_id, name)))

    def get_with_book(self, tenant_id: str, name: str) -> tuple[Policy, PolicyBook]:
        key, of_book = policy_key(tenant_id, name), policies_key(tenant_id)
        found = self._table.get_many([key, of_book])
        return _policy(name, found.get(key)), PolicyBook.model_validate(found.get(of_book, {}))

    def list(self, tenant_id: str, page: PageRequest) -> Page[Policy]:
        found = self._table.query(tenant_partition(tenant_id), "POLICY#", page)
        return Page([Policy.model_validate(item) for item in found.items], found.next_after)

    def replace(
        self, tenant_id: str, policy: Policy, book: PolicyBook, event: PolicyChanged
    ) -> None:
        key = policy_key(tenant_id, policy.name)
        self._change(
            tenant_id, put_over(key, as_item(key, policy, event), policy.version - 1), book
        )

    def remove(
        self, tenant_id: str, policy: Policy, book: PolicyBook, event: PolicyDeleted
    ) -> None:
        key = policy_key(tenant_id, policy.name)
        gone = put_over(key, tombstone(key, event, policy.version), policy.version)
        self._change(tenant_id, gone, book)

    def _change(self, tenant_id: str, write: Write, book: PolicyBook) -> None:
        try:
            self._table.transact([write, _book_write(tenant_id, book)])
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError("the tenant's policies have changed meanwhile") from changed


def _book_write(tenant_id: str, book: PolicyBook) -> Write:
    """The book over the one that it was made of."""
    key = policies_key(tenant_id)
    made_of = (book.version or 0) - 1
    return put_over(key, as_item(key, book), made_of if made_of > 0 else None)


def _policy(name: str, item: Item | None) -> Policy:
    if is_tombstone(item):
        raise NotFoundError(f"there is no policy {name}")
    return Policy.model_validate(item)
