"""Tenants, principals and memberships."""

from controlplane.adapters.dynamodb_table import Key, Table, is_tombstone, tenant_partition
from controlplane.tenancy.model import Access, Membership, PrincipalRecord, Standing, Tenant

PLATFORM_PARTITION = "PLATFORM"


def tenant_key(tenant_id: str) -> Key:
    return Key(tenant_partition(tenant_id), "TENANT")


def policies_key(tenant_id: str) -> Key:
    """All of a tenant's enabled policies: `texts` by name, and their `digest`."""
    return Key(tenant_partition(tenant_id), "POLICIES")


def principal_key(tenant_id: str, subject: str) -> Key:
    return Key(tenant_partition(tenant_id), f"PRINCIPAL#{subject}")


def platform_principal_key(subject: str) -> Key:
    return Key(PLATFORM_PARTITION, f"PRINCIPAL#{subject}")


def directory_key(tenant_id: str) -> Key:
    """The tenant's entry in the platform's list of tenants."""
    return Key("PLATFORM", f"TENANT#{tenant_id}")


def membership_key(subject: str) -> Key:
    return Key(f"PLATFORM#USER#{subject}", "MEMBERSHIP")


class DynamoDBTenants:
    """An AccessRepository: all that admits a member lies in its tenant's own partition.

    `platform` is the same table with rights to platform data, for those who belong to no tenant.
    """

    def __init__(self, table: Table, platform: Table) -> None:
        self._table = table
        self._platform = platform

    def get_access(self, tenant_id: str, subject: str) -> Access | None:
        tenant, policies = tenant_key(tenant_id), policies_key(tenant_id)
        principal = principal_key(tenant_id, subject)
        found = self._table.get_many([tenant, principal, policies])
        if tenant not in found:
            return None
        own = found.get(policies, {})
        return Access(
            Tenant.model_validate(found[tenant]),
            PrincipalRecord.model_validate(found[principal]) if principal in found else None,
            own.get("texts", {}),
            own.get("digest", ""),
        )

    def find_platform_principal(self, subject: str) -> PrincipalRecord | None:
        item = self._platform.get(platform_principal_key(subject))
        return PrincipalRecord.model_validate(item) if item else None


class DynamoDBMemberships:
    """A MembershipRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, subject: str) -> Membership | None:
        item = self._table.get(membership_key(subject))
        if item is None or is_tombstone(item):
            return None
        return Membership.model_validate(item | {"subject": subject})

    def get_standing(self, tenant_id: str | None, subject: str) -> Standing:
        if tenant_id is None:
            item = self._table.get(platform_principal_key(subject))
            return Standing(None, PrincipalRecord.model_validate(item) if item else None)
        tenant, principal = tenant_key(tenant_id), principal_key(tenant_id, subject)
        found = self._table.get_many([tenant, principal])
        return Standing(
            Tenant.model_validate(found[tenant]) if tenant in found else None,
            PrincipalRecord.model_validate(found[principal]) if principal in found else None,
        )
