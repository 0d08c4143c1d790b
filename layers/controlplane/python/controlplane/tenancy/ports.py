"""What tenancy needs from the outside world."""

from typing import Protocol

from controlplane.tenancy.model import Access, Membership, PrincipalRecord, Standing


class AccessRepository(Protocol):
    def get_access(self, tenant_id: str, subject: str) -> Access | None:
        """The tenant, the principal's record and the tenant's policies in one read; None for an unknown tenant."""
        ...

    def find_platform_principal(self, subject: str) -> PrincipalRecord | None:
        """The record of a platform administrator, which lies in no tenant; None: nothing of it is revoked."""
        ...


class MembershipRepository(Protocol):
    def find(self, subject: str) -> Membership | None: ...

    def get_standing(self, tenant_id: str | None, subject: str) -> Standing:
        """The tenant and the principal's record, in one read; without a tenant the platform's record of it."""
        ...


class SecondFactors(Protocol):
    def has_second_factor(self, username: str) -> bool:
        """Whether the user has set up more than a password. Raises UnavailableError."""
        ...
