"""Models and their versions."""

from controlplane.errors import InUseError, NotFoundError
from controlplane.limits import Reservation
from controlplane.registry.model import Model, ModelVersion, ModelVersionDeleted
from controlplane.registry.ports import ProjectAllowance
from controlplane.requests import Page, PageRequest
from tests.fakes.table import MemoryTable, page_of, require, reserve


class MemoryProjectDirectory:
    """A ProjectDirectory."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def find_allowance(self, tenant_id: str, project: str) -> ProjectAllowance | None:
        limits = self._table.tenants.get(tenant_id)
        if limits is None or (tenant_id, project) not in self._table.projects:
            return None
        return ProjectAllowance(limits, self._table.used.get((tenant_id, "stored_bytes"), 0))


class MemoryModels:
    """A ModelRepository."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str, model: str) -> Model:
        found = self.find(tenant_id, project, model)
        if found is None or not found.versions:
            raise NotFoundError(f"there is no model {model}")
        return found

    def find(self, tenant_id: str, project: str, model: str) -> Model | None:
        return self._table.models.get((tenant_id, project, model))

    def list(self, tenant_id: str, project: str, page: PageRequest) -> Page[Model]:
        place = (tenant_id, project)
        own = {at[2]: model for at, model in self._table.models.items() if at[:2] == place}
        found = page_of(own, page)
        return Page([model for model in found.items if model.versions], found.next_after)

    def get_version(self, tenant_id: str, project: str, model: str, number: int) -> ModelVersion:
        try:
            return self._table.versions[tenant_id, project, model, number]
        except KeyError:
            raise NotFoundError(f"there is no version {number} of model {model}") from None

    def get_with_version(
        self, tenant_id: str, project: str, model: str, number: int
    ) -> tuple[Model, ModelVersion]:
        version = self.get_version(tenant_id, project, model, number)
        return self._table.models[tenant_id, project, model], version

    def list_versions(
        self, tenant_id: str, project: str, model: str, page: PageRequest
    ) -> Page[ModelVersion]:
        place = (tenant_id, project, model)
        own = {f"{at[3]:08d}": v for at, v in self._table.versions.items() if at[:3] == place}
        return page_of(own, page, newest=True)

    def remove_version(
        self,
        tenant_id: str,
        project: str,
        model: Model,
        version: ModelVersion,
        event: ModelVersionDeleted,
    ) -> None:
        self._table.begin_write()
        place = (tenant_id, project, version.model, version.number)
        stored = self.get_version(*place)
        if stored.served_by:
            raise InUseError("a deployment has just taken this version")
        require(stored.version == version.version)
        held = self._table.models[place[:3]]
        require(held.versions == model.versions)
        del self._table.versions[place]
        self._table.models[place[:3]] = held.model_copy(
            update={"versions": held.versions - 1, "version": held.version + 1}
        )
        freed = [
            Reservation("stored_bytes", -version.size, 0),
            Reservation("models", -1 if held.versions == 1 else 0, 0),
        ]
        reserve(self._table, tenant_id, freed)
        count_versions(self._table, tenant_id, project, -1)
        self._table.events.append(event)


def count_versions(table: MemoryTable, tenant_id: str, project: str, more: int) -> None:
    """Count a version more or less in its project."""
    held = table.projects[tenant_id, project]
    table.projects[tenant_id, project] = held.model_copy(
        update={"model_versions": held.model_versions + more, "version": held.version + 1}
    )
