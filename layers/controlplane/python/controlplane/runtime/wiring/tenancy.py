"""What tenancy works with."""

from functools import cache

from controlplane.runtime.wiring.tables import own_table, table
from controlplane.tenancy.ports import AccessRepository, MembershipRepository


@cache
def access_repository() -> AccessRepository:
    from controlplane.adapters.dynamodb_tenants import DynamoDBTenants
    from controlplane.runtime.access_cache import CachedAccess

    return CachedAccess(DynamoDBTenants(table(), own_table()))


@cache
def membership_repository() -> MembershipRepository:
    from controlplane.adapters.dynamodb_tenants import DynamoDBMemberships

    return DynamoDBMemberships(table())
