"""What a project has its deployments begin with: SERVINGPOLICY in the project's partition."""

from controlplane.adapters.dynamodb_items import as_item
from controlplane.adapters.dynamodb_project_documents import put_document, read_document
from controlplane.adapters.dynamodb_project_keys import serving_policy_key
from controlplane.adapters.dynamodb_projects import project_present
from controlplane.adapters.dynamodb_table import Item, Table, is_tombstone
from controlplane.serving.deployment_events import ServingPolicyChanged
from controlplane.serving.project_policy import ServingPolicy


def serving_policy_of(item: Item | None) -> ServingPolicy:
    """The defaults for a project that has set none."""
    return ServingPolicy() if is_tombstone(item) else ServingPolicy.model_validate(item)


class DynamoDBServingPolicies:
    """A ServingPolicyRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str) -> ServingPolicy:
        key = serving_policy_key(tenant_id, project)
        return serving_policy_of(read_document(self._table, tenant_id, project, key))

    def put(
        self, tenant_id: str, project: str, policy: ServingPolicy, event: ServingPolicyChanged
    ) -> None:
        key = serving_policy_key(tenant_id, project)
        item = as_item(key, policy, event)
        there = project_present(tenant_id, project)
        put_document(self._table, key, item, "the serving policy", there)
