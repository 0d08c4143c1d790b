"""Quotas as they are counted, and the truth that they are compared with."""

from collections.abc import Iterator, Sequence

from controlplane.adapters.dynamodb_items import event_attribute
from controlplane.adapters.dynamodb_quotas import quotas_key
from controlplane.adapters.dynamodb_table import (
    ConditionFailedError,
    Item,
    Table,
    Write,
    project_partition,
    tenant_partition,
)
from controlplane.adapters.dynamodb_tenants import tenant_key
from controlplane.errors import ConcurrentChangeError
from controlplane.quotas.model import Counted, QuotaCorrected, RecentChange, TenantUse, Use
from controlplane.requests import Page, PageRequest
from controlplane.serving.model import Deployment
from controlplane.tenancy.model import Tenant


class DynamoDBUse:
    """A UseCounter."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str) -> Counted:
        item = self._table.get(quotas_key(tenant_id)) or {}
        return Counted(Use.model_validate(item), int(item.get("version", 0)))

    def correct(self, tenant_id: str, counted: Counted, event: QuotaCorrected) -> None:
        item = event.found.model_dump() | {
            "version": counted.version + 1,
            "event": event_attribute(event),
        }
        known = "#version = :known" if counted.version else "attribute_not_exists(pk)"
        write = Write(
            quotas_key(tenant_id),
            item=item,
            condition=known,
            names={"#version": "version"} if counted.version else {},
            values={":known": counted.version} if counted.version else {},
        )
        try:
            self._table.put(write)
        except ConditionFailedError as changed:
            raise ConcurrentChangeError(f"tenant {tenant_id} has changed meanwhile") from changed


class DynamoDBInventory:
    """An Inventory: it reads every project of the tenant, page by page."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def count(self, tenant_id: str) -> Use:
        projects = [item["name"] for item in self._all(tenant_partition(tenant_id), "PROJECT#")]
        models = stored_bytes = deployments = 0
        for project in projects:
            pk = project_partition(tenant_id, project)
            models += sum(1 for item in self._all(pk, "MODEL#") if item["versions"])
            stored_bytes += sum(item["size"] for item in self._all(pk, "VERSION#"))
            held = (Deployment.model_validate(item) for item in self._all(pk, "DEPLOYMENT#"))
            deployments += sum(1 for deployment in held if deployment.held_versions)
        return Use(
            projects=len(projects),
            models=models,
            stored_bytes=stored_bytes,
            deployments=deployments,
        )

    def _all(self, pk: str, prefix: str) -> Iterator[Item]:
        page: PageRequest | None = PageRequest()
        while page is not None:
            found = self._table.query(pk, prefix, page)
            yield from found.items
            page = PageRequest(after=found.next_after) if found.next_after else None


class DynamoDBTenantDirectory:
    """A TenantDirectory over the platform's entries TENANT#<id>."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list_ids(self, page: PageRequest) -> Page[str]:
        found = self._table.query("PLATFORM", "TENANT#", page)
        return Page([item["tenant_id"] for item in found.items], found.next_after)

    def list_use(self, page: PageRequest) -> Page[TenantUse]:
        ids = self.list_ids(page)
        keys = [key(tenant_id) for tenant_id in ids.items for key in (tenant_key, quotas_key)]
        found = self._table.get_many(keys) if keys else {}
        return Page(
            [
                _tenant_use(found[tenant_key(tenant_id)], found.get(quotas_key(tenant_id)))
                for tenant_id in ids.items
                if tenant_key(tenant_id) in found
            ],
            ids.next_after,
        )


class DynamoDBChangeHistory:
    """A ChangeHistory: the newest records of the tenant's audit trail."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def list_recent(self, tenant_id: str, count: int) -> Sequence[RecentChange]:
        found = self._table.query(
            f"{tenant_partition(tenant_id)}#AUDIT", "ALL#", PageRequest(count), newest=True
        )
        return [
            RecentChange(item["time"], item["action"], item["resource"], item["actor"])
            for item in found.items
        ]


def _tenant_use(tenant: Item, quotas: Item | None) -> TenantUse:
    known = Tenant.model_validate(tenant)
    return TenantUse(
        tenant_id=known.tenant_id,
        status=known.status,
        tier=known.tier,
        use=Use.model_validate(quotas or {}),
        limits=known.limits,
    )
