"""The task tokens of executions that wait for a tick: ROLLOUTWAIT#<deployment> in the project's partition."""

from datetime import datetime

from controlplane.adapters.dynamodb_items import seconds
from controlplane.adapters.dynamodb_table import Key, Table, Write, project_partition


class DynamoDBTickWaits:
    """A TickWaits. Its items carry no event: they say nothing about the deployment."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def remember(
        self, tenant_id: str, project: str, deployment: str, token: str, expires_at: datetime
    ) -> None:
        key = _key(tenant_id, project, deployment)
        self._table.put(Write(key, item={"token": token, "expires_at": seconds(expires_at)}))

    def find(self, tenant_id: str, project: str, deployment: str) -> str | None:
        item = self._table.get(_key(tenant_id, project, deployment))
        return str(item["token"]) if item else None


def _key(tenant_id: str, project: str, deployment: str) -> Key:
    return Key(project_partition(tenant_id, project), f"ROLLOUTWAIT#{deployment}")
