"""Tenants, principals and memberships."""

from controlplane.tenancy.model import Access, Membership, PrincipalRecord, Tenant


class MemoryAccess:
    """An AccessRepository that counts the questions. `platform` are the records of platform administrators."""

    def __init__(self, *tenants: Tenant) -> None:
        self.tenants = {tenant.tenant_id: tenant for tenant in tenants}
        self.principals: dict[str, PrincipalRecord] = {}
        self.platform: dict[str, PrincipalRecord] = {}
        self.policies: dict[str, str] = {}
        self.reads = 0

    def revoke(self, subject: str, revoked_before: int) -> None:
        """As the table shows a principal of whom nothing else is known."""
        self.principals[subject] = PrincipalRecord(revoked_before=revoked_before)

    def get_access(self, tenant_id: str, subject: str) -> Access | None:
        self.reads += 1
        tenant = self.tenants.get(tenant_id)
        if tenant is None:
            return None
        return Access(tenant, self.principals.get(subject), dict(self.policies))

    def find_platform_principal(self, subject: str) -> PrincipalRecord | None:
        self.reads += 1
        return self.platform.get(subject)


class MemoryMemberships:
    """A MembershipRepository."""

    def __init__(self, *memberships: Membership) -> None:
        self._memberships = {membership.subject: membership for membership in memberships}

    def find(self, subject: str) -> Membership | None:
        return self._memberships.get(subject)
