"""A tenant's own policies."""

from collections.abc import Callable

from controlplane.authorization.model import (
    Policy,
    PolicyBook,
    PolicyChanged,
    PolicyCreated,
    PolicyDeleted,
    PolicyEvent,
    PolicyFault,
)
from controlplane.errors import AlreadyExistsError, ConcurrentChangeError, NotFoundError
from controlplane.requests import IdempotentRequest, Page, PageRequest
from tests.fakes.table import page_of


class MemoryPolicies:
    """A PolicyRepository. `interrupt` runs once, just before the next write."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Policy] = {}
        self.books: dict[str, PolicyBook] = {}
        self.events: list[PolicyEvent] = []
        self.answers: dict[str, Policy] = {}
        self.interrupt: Callable[[], object] | None = None

    def add(
        self,
        tenant_id: str,
        policy: Policy,
        book: PolicyBook,
        event: PolicyCreated,
        request: IdempotentRequest | None,
    ) -> Policy:
        if request and request.key_digest in self.answers:
            return self.answers[request.key_digest]
        if (tenant_id, policy.name) in self.stored:
            raise AlreadyExistsError(f"there is already a policy {policy.name}")
        self._write(tenant_id, book)
        self.stored[tenant_id, policy.name] = policy
        self.events.append(event)
        if request:
            self.answers[request.key_digest] = policy
        return policy

    def book(self, tenant_id: str) -> PolicyBook:
        return self.books.get(tenant_id, PolicyBook())

    def get(self, tenant_id: str, name: str) -> Policy:
        try:
            return self.stored[tenant_id, name]
        except KeyError:
            raise NotFoundError(f"there is no policy {name}") from None

    def get_with_book(self, tenant_id: str, name: str) -> tuple[Policy, PolicyBook]:
        return self.get(tenant_id, name), self.book(tenant_id)

    def list(self, tenant_id: str, page: PageRequest) -> Page[Policy]:
        own = {name: found for (tenant, name), found in self.stored.items() if tenant == tenant_id}
        return page_of(own, page)

    def replace(
        self, tenant_id: str, policy: Policy, book: PolicyBook, event: PolicyChanged
    ) -> None:
        self._write(tenant_id, book)
        self.stored[tenant_id, policy.name] = policy
        self.events.append(event)

    def remove(
        self, tenant_id: str, policy: Policy, book: PolicyBook, event: PolicyDeleted
    ) -> None:
        self._write(tenant_id, book)
        del self.stored[tenant_id, policy.name]
        self.events.append(event)

    def _write(self, tenant_id: str, book: PolicyBook) -> None:
        """The book goes over the one that it was made of."""
        pending, self.interrupt = self.interrupt, None
        if pending:
            pending()
        if book.version != (self.book(tenant_id).version or 0) + 1:
            raise ConcurrentChangeError("the tenant's policies have changed meanwhile")
        self.books[tenant_id] = book


class MemoryChecker:
    """A PolicyChecker to which a text is faulty that says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def faults(self, tenant_id: str, text: str) -> list[PolicyFault]:
        self.asked.append((tenant_id, text))
        return [PolicyFault("it says so", 1, 1)] if "faulty" in text else []
