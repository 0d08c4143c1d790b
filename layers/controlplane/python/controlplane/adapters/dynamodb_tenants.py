"""Tenants, principals and memberships."""

from controlplane.adapters.dynamodb_table import Key, Table, tenant_partition
from controlplane.tenancy.model import Access, Membership, Tenant


def tenant_key(tenant_id: str) -> Key:
    return Key(tenant_partition(tenant_id), "TENANT")


def membership_key(subject: str) -> Key:
    return Key(f"PLATFORM#USER#{subject}", "MEMBERSHIP")


class DynamoDBTenants:
    """An AccessRepository. A platform administrator's own revocation lies under PLATFORM."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get_access(self, tenant_id: str, subject: str) -> Access | None:
        key = tenant_key(tenant_id)
        principals = [Key(pk, f"PRINCIPAL#{subject}") for pk in (key.pk, "PLATFORM")]
        found = self._table.get_many([key, *principals])
        if key not in found:
            return None
        revoked = [found[p]["revoked_before"] for p in principals if p in found]
        return Access(Tenant.model_validate(found[key]), max(revoked, default=0))


class DynamoDBMemberships:
    """A MembershipRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, subject: str) -> Membership | None:
        item = self._table.get(membership_key(subject))
        return Membership.model_validate(item | {"subject": subject}) if item else None
