"""What a project asks of the versions that it lets serve: REGISTRYPOLICY in the project's partition."""

from controlplane.adapters.dynamodb_items import as_item
from controlplane.adapters.dynamodb_models import policy_of, registry_policy_key
from controlplane.adapters.dynamodb_project_documents import put_document, read_document
from controlplane.adapters.dynamodb_table import Table
from controlplane.registry.model import RegistryPolicyChanged
from controlplane.registry.policy import RegistryPolicy


class DynamoDBRegistryPolicies:
    """A RegistryPolicyRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str) -> RegistryPolicy:
        key = registry_policy_key(tenant_id, project)
        return policy_of(read_document(self._table, tenant_id, project, key))

    def put(
        self, tenant_id: str, project: str, policy: RegistryPolicy, event: RegistryPolicyChanged
    ) -> None:
        key = registry_policy_key(tenant_id, project)
        put_document(self._table, key, as_item(key, policy, event), "the registry policy")
