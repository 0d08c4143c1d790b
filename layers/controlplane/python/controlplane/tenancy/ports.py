"""What tenancy needs from the outside world."""

from typing import Protocol

from controlplane.tenancy.model import Access, Membership


class AccessRepository(Protocol):
    def get_access(self, tenant_id: str, subject: str) -> Access | None:
        """The tenant and the principal's revocation in one read; None for an unknown tenant."""
        ...


class MembershipRepository(Protocol):
    def find(self, subject: str) -> Membership | None: ...
