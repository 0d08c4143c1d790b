"""What a project asks of the versions that it lets serve: REGISTRYPOLICY in the project's partition."""

from controlplane.adapters.dynamodb_items import as_item
from controlplane.adapters.dynamodb_models import policy_of
from controlplane.adapters.dynamodb_project_documents import put_document, read_document
from controlplane.adapters.dynamodb_project_keys import registry_policy_key
from controlplane.adapters.dynamodb_projects import project_change
from controlplane.adapters.dynamodb_table import Table
from controlplane.registry.model import RegistryPolicyChanged
from controlplane.registry.policy import RegistryPolicy, RegistryRules


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
        # The project knows whether it asks for anything: it is not deleted while it does.
        asks = policy.rules != RegistryRules()
        noting = "SET has_registry_policy = :asks ADD #version :one"
        noted = project_change(tenant_id, project, noting, {":asks": asks})
        item = as_item(key, policy, event)
        put_document(self._table, key, item, "the registry policy", noted)
