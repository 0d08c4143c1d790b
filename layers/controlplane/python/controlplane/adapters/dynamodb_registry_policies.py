"""What a project asks of the versions that it lets serve: REGISTRYPOLICY in the project's partition."""

from controlplane.adapters.dynamodb_items import as_item, put_over
from controlplane.adapters.dynamodb_models import policy_of, registry_policy_key
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_table import ConditionFailedError, Table, is_tombstone
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.registry.model import RegistryPolicyChanged
from controlplane.registry.policy import RegistryPolicy


class DynamoDBRegistryPolicies:
    """A RegistryPolicyRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str) -> RegistryPolicy:
        of_project, key = project_key(tenant_id, project), registry_policy_key(tenant_id, project)
        found = self._table.get_many([of_project, key])
        if is_tombstone(found.get(of_project)):
            raise NotFoundError(f"there is no project {project}")
        return policy_of(found.get(key))

    def put(
        self, tenant_id: str, project: str, policy: RegistryPolicy, event: RegistryPolicyChanged
    ) -> None:
        key = registry_policy_key(tenant_id, project)
        known = policy.version - 1
        try:
            self._table.put(put_over(key, as_item(key, policy, event), known or None))
        except ConditionFailedError as changed:
            raise ConcurrentChangeError(
                "the registry policy has changed meanwhile", remedy="Try again."
            ) from changed
