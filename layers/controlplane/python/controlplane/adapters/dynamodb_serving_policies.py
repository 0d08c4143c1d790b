"""What a project has its deployments begin with: SERVINGPOLICY in the project's partition."""

from controlplane.adapters.dynamodb_items import as_item, put_over
from controlplane.adapters.dynamodb_projects import project_key
from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Item,
    Key,
    Table,
    is_tombstone,
    project_partition,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError
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
        of_project, key = project_key(tenant_id, project), serving_policy_key(tenant_id, project)
        found = self._table.get_many([of_project, key])
        if is_tombstone(found.get(of_project)):
            raise NotFoundError(f"there is no project {project}")
        return serving_policy_of(found.get(key))

    def put(
        self, tenant_id: str, project: str, policy: ServingPolicy, event: ServingPolicyChanged
    ) -> None:
        key = serving_policy_key(tenant_id, project)
        known = policy.version - 1
        try:
            self._table.put(put_over(key, as_item(key, policy, event), known or None))
        except ConditionFailedError as changed:
            raise ConcurrentChangeError(
                "the serving policy has changed meanwhile", remedy="Try again."
            ) from changed
