"""How many deployments a tenant may have, as its own item says."""

from controlplane.adapters.dynamodb_table import Table
from controlplane.adapters.dynamodb_tenants import tenant_key
from controlplane.errors import NotFoundError
from controlplane.tenancy.model import Tenant


class DynamoDBLimits:
    """Serving's LimitDirectory."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def max_deployments(self, tenant_id: str) -> int:
        item = self._table.get(tenant_key(tenant_id))
        if item is None:
            raise NotFoundError(f"there is no tenant {tenant_id}")
        return Tenant.model_validate(item).limits.deployments
