"""What tenancy works with."""

from functools import cache

from controlplane.runtime.wiring import tables
from controlplane.tenancy.ports import AccessRepository, MembershipRepository


@cache
def access_repository() -> AccessRepository:
    from controlplane.adapters.dynamodb_tenants import DynamoDBTenants
    from controlplane.runtime.access_cache import CachedAccess

    return CachedAccess(DynamoDBTenants(tables.table(), tables.own_table()))


@cache
def membership_repository() -> MembershipRepository:
    from controlplane.adapters.dynamodb_tenants import DynamoDBMemberships

    return DynamoDBMemberships(tables.table())
