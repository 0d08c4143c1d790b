"""What a project has its deployments begin with: SERVINGPOLICY in the project's partition."""

from controlplane.adapters.dynamodb_items import as_item
from controlplane.adapters.dynamodb_project_documents import put_document, read_document
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    is_tombstone,
    project_partition,
)
from controlplane.serving.deployment_events import ServingPolicyChanged
from controlplane.serving.project_policy import ServingPolicy


def serving_policy_key(tenant_id: str, project: str) -> Key:
    return Key(project_partition(tenant_id, project), "SERVINGPOLICY")


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
        put_document(self._table, key, as_item(key, policy, event), "the serving policy")
