"""What a tenant may upload into a project."""

from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_quotas import quotas_key
from controlplane.adapters.dynamodb_table import Table, is_tombstone
from controlplane.adapters.dynamodb_tenants import tenant_key
from controlplane.errors import UploadRejectedError
from controlplane.projects.model import Project
from controlplane.registry.ports import ProjectAllowance
from controlplane.tenancy.model import Tenant, TenantStatus


class DynamoDBProjectDirectory:
    """A ProjectDirectory: the tenant, the project and the quotas in one read."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find_allowance(self, tenant_id: str, project: str) -> ProjectAllowance | None:
        tenant, wanted = tenant_key(tenant_id), project_key(tenant_id, project)
        quotas = quotas_key(tenant_id)
        found = self._table.get_many([tenant, wanted, quotas])
        if tenant not in found or is_tombstone(found.get(wanted)):
            return None
        owner, used = Tenant.model_validate(found[tenant]), found.get(quotas, {})
        if owner.status is not TenantStatus.ACTIVE:
            raise UploadRejectedError(
                "TenantNotActive",
                f"tenant {tenant_id} is {owner.status.value}",
                remedy="Ask the platform's administrators to activate it, then upload again.",
            )
        held = Project.model_validate(found[wanted])
        return ProjectAllowance(owner.limits, held.created_at, int(used.get("stored_bytes", 0)))
