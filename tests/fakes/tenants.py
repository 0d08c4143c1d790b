"""Tenants, principals and memberships."""

from controlplane.tenancy.model import Access, Membership, Tenant


class MemoryAccess:
    """An AccessRepository that counts the questions."""

    def __init__(self, *tenants: Tenant) -> None:
        self.tenants = {tenant.tenant_id: tenant for tenant in tenants}
        self.revoked_before: dict[str, int] = {}
        self.reads = 0

    def get_access(self, tenant_id: str, subject: str) -> Access | None:
        self.reads += 1
        tenant = self.tenants.get(tenant_id)
        return Access(tenant, self.revoked_before.get(subject, 0)) if tenant else None


class MemoryMemberships:
    """A MembershipRepository."""

    def __init__(self, *memberships: Membership) -> None:
        self._memberships = {membership.subject: membership for membership in memberships}

    def find(self, subject: str) -> Membership | None:
        return self._memberships.get(subject)
