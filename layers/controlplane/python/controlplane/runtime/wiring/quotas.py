"""What quotas work with."""

from functools import cache

from controlplane.quotas.ports import ChangeHistory, Inventory, TenantDirectory, UseCounter
from controlplane.runtime.wiring import tables


@cache
def use_counter() -> UseCounter:
    from controlplane.adapters.dynamodb_use import DynamoDBUse

    return DynamoDBUse(tables.table())


@cache
def inventory() -> Inventory:
    from controlplane.adapters.dynamodb_use import DynamoDBInventory

    return DynamoDBInventory(tables.table())


@cache
def tenant_directory() -> TenantDirectory:
    from controlplane.adapters.dynamodb_use import DynamoDBTenantDirectory

    return DynamoDBTenantDirectory(tables.own_table())


@cache
def change_history() -> ChangeHistory:
    from controlplane.adapters.dynamodb_use import DynamoDBChangeHistory

    return DynamoDBChangeHistory(tables.table())
