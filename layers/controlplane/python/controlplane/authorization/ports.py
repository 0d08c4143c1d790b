"""What authorization needs from the outside world."""

from collections.abc import Sequence
from typing import Protocol

from controlplane.authorization.decision import Decision, Request, Restrictions
from controlplane.authorization.model import (
    Policy,
    PolicyBook,
    PolicyChanged,
    PolicyCreated,
    PolicyDeleted,
    PolicyFault,
)
from controlplane.requests import IdempotentRequest, Page, PageRequest


class PolicyEngine(Protocol):
    def decide(self, request: Request, restrictions: Restrictions | None) -> Decision:
        """Ask the policies, and the tenant's own where they have a say. Never permits when anything fails."""
        ...


class PolicyChecker(Protocol):
    def faults(self, tenant_id: str, text: str) -> Sequence[PolicyFault]:
        """Why the text is no policy that this tenant may have; empty if it is one."""
        ...


class PolicyRepository(Protocol):
    """A policy and the tenant's book change in one write."""

    def add(
        self,
        tenant_id: str,
        policy: Policy,
        book: PolicyBook,
        event: PolicyCreated,
        request: IdempotentRequest | None,
    ) -> Policy:
        """Store a new policy, and the book as it is with it. A repeat returns the first answer.

        Raises AlreadyExistsError, IdempotencyKeyReusedError, RequestInFlightError.
        """
        ...

    def book(self, tenant_id: str) -> PolicyBook: ...

    def get(self, tenant_id: str, name: str) -> Policy:
        """Raises NotFoundError."""
        ...

    def get_with_book(self, tenant_id: str, name: str) -> tuple[Policy, PolicyBook]:
        """Both in one read. Raises NotFoundError."""
        ...

    def list(self, tenant_id: str, page: PageRequest) -> Page[Policy]:
        """Policies by name."""
        ...

    def replace(
        self, tenant_id: str, policy: Policy, book: PolicyBook, event: PolicyChanged
    ) -> None:
        """Store the next version of a policy and of the book.

        Raises ConcurrentChangeError when one of them has changed meanwhile.
        """
        ...

    def remove(
        self, tenant_id: str, policy: Policy, book: PolicyBook, event: PolicyDeleted
    ) -> None:
        """Remove the policy if it still is in this state. Raises ConcurrentChangeError."""
        ...
