"""What quotas work with."""

from functools import cache

from controlplane.quotas.ports import ChangeHistory, Inventory, TenantDirectory, UseCounter
from controlplane.runtime.wiring.tables import own_table, table


@cache
def use_counter() -> UseCounter:
    from controlplane.adapters.dynamodb_use import DynamoDBUse

    return DynamoDBUse(table())


@cache
def inventory() -> Inventory:
    from controlplane.adapters.dynamodb_use import DynamoDBInventory

    return DynamoDBInventory(table())


@cache
def tenant_directory() -> TenantDirectory:
    from controlplane.adapters.dynamodb_use import DynamoDBTenantDirectory

    return DynamoDBTenantDirectory(own_table())


@cache
def change_history() -> ChangeHistory:
    from controlplane.adapters.dynamodb_use import DynamoDBChangeHistory

    return DynamoDBChangeHistory(table())
