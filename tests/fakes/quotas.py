"""Use as it is counted, and what there really is."""

from controlplane.errors import ConcurrentChangeError
from controlplane.limits import Quota
from controlplane.quotas.model import Counted, QuotaCorrected, Use
from tests.fakes.table import MemoryTable

QUOTAS: tuple[Quota, ...] = (
    "projects",
    "models",
    "stored_bytes",
    "deployments",
    "concurrent_runs",
)


class MemoryUse:
    """A UseCounter over the counts that the other repositories keep."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def get(self, tenant_id: str) -> Counted:
        use = {quota: self._table.used.get((tenant_id, quota), 0) for quota in QUOTAS}
        return Counted(Use.model_validate(use), self._table.counts)

    def correct(self, tenant_id: str, counted: Counted, event: QuotaCorrected) -> None:
        self._table.begin_write()
        if self._table.counts != counted.version:
            raise ConcurrentChangeError(f"tenant {tenant_id} has changed meanwhile")
        for quota in QUOTAS:
            self._table.used[tenant_id, quota] = getattr(event.found, quota)
        self._table.events.append(event)


class MemoryInventory:
    """An Inventory over what the other repositories keep."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def count(self, tenant_id: str) -> Use:
        table = self._table
        return Use(
            projects=sum(place[0] == tenant_id for place in table.projects),
            models=sum(p[0] == tenant_id and m.versions > 0 for p, m in table.models.items()),
            stored_bytes=sum(v.size for p, v in table.versions.items() if p[0] == tenant_id),
            deployments=sum(
                p[0] == tenant_id and bool(d.held_versions) for p, d in table.deployments.items()
            ),
        )
