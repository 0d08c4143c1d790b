"""Models, their versions and aliases, and what projects ask of them."""

from collections.abc import Sequence

from controlplane.errors import InUseError, NotFoundError
from controlplane.limits import Reservation
from controlplane.registry.aliases import Aliases, AliasRecord
from controlplane.registry.governance_ports import AliasCase, VersionCase
from controlplane.registry.model import (
    AliasesMoved,
    Model,
    ModelChanged,
    ModelVersion,
    ModelVersionDeleted,
    RegistryEvent,
    RegistryPolicyChanged,
)
from controlplane.registry.policy import RegistryPolicy, RegistryRules
from controlplane.registry.ports import ProjectAllowance
from controlplane.requests import Page, PageRequest
from tests.fakes.table import MemoryTable, change_project, page_of, require, reserve


class MemoryProjectDirectory:
    """A ProjectDirectory."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def find_allowance(self, tenant_id: str, project: str) -> ProjectAllowance | None:
        limits = self._table.tenants.get(tenant_id)
        held = self._table.projects.get((tenant_id, project))
        if limits is None or held is None:
            return None
        stored = self._table.used.get((tenant_id, "stored_bytes"), 0)
        return ProjectAllowance(limits, held.created_at, stored)


class MemoryModels:
    """A ModelRepository and a VersionRepository."""

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
        if stored.served_by or stored.aliases:
            raise InUseError("a deployment or an alias has just taken this version")
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

    def change(self, tenant_id: str, project: str, changed: Model, event: ModelChanged) -> None:
        self._table.begin_write()
        place = (tenant_id, project, changed.name)
        require(self._table.models[place].version == changed.version - 1)
        self._table.models[place] = changed
        self._table.events.append(event)

    def get_case(self, tenant_id: str, project: str, model: str, number: int) -> VersionCase:
        return VersionCase(
            self.get_version(tenant_id, project, model, number),
            self._table.registry_policies.get((tenant_id, project), RegistryPolicy()),
            self._table.aliases.get((tenant_id, project, model), Aliases(model=model)),
        )

    def change_version(
        self,
        tenant_id: str,
        project: str,
        known: ModelVersion,
        changed: ModelVersion,
        event: RegistryEvent,
    ) -> None:
        self._table.begin_write()
        place = (tenant_id, project, known.model, known.number)
        stored = self._table.versions.get(place)
        require(stored is not None and stored.version == known.version)
        self._table.versions[place] = changed
        named = self._table.aliases.get(place[:3])
        if named is not None and named.champion == known.number:
            self._table.aliases[place[:3]] = named.model_copy(
                update={"champion_metrics": changed.metrics, "version": named.version + 1}
            )
        self._table.events.append(event)


class MemoryAliases:
    """An AliasRepository."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str, model: str) -> Aliases:
        if not self._table.models[tenant_id, project, model].versions:
            raise NotFoundError(f"there is no model {model}")
        return self.find(tenant_id, project, model)

    def find(self, tenant_id: str, project: str, model: str) -> Aliases:
        return self._table.aliases.get((tenant_id, project, model), Aliases(model=model))

    def get_case(
        self, tenant_id: str, project: str, model: str, numbers: Sequence[int]
    ) -> AliasCase:
        found = {n: self._table.versions.get((tenant_id, project, model, n)) for n in numbers}
        return AliasCase(
            self.find(tenant_id, project, model),
            {number: version for number, version in found.items() if version},
            self._table.registry_policies.get((tenant_id, project), RegistryPolicy()),
        )

    def save(
        self,
        tenant_id: str,
        project: str,
        known: Aliases,
        moved: Aliases,
        records: Sequence[AliasRecord],
        champion: ModelVersion | None,
        event: AliasesMoved | None,
    ) -> None:
        self._table.begin_write()
        place = (tenant_id, project, known.model)
        require(self.find(*place).version == known.version)
        touched = {n for record in records for n in (record.model_version, record.previous) if n}
        for number in touched:
            stored = self._table.versions.get((*place, number))
            if stored is None:
                raise NotFoundError(f"there is no version {number} of {known.model}")
            if champion is not None and champion.number == number:
                require(stored.version == champion.version)
        for number in touched:
            stored = self._table.versions[*place, number]
            self._table.versions[*place, number] = stored.model_copy(
                update={
                    "aliases": tuple(sorted(moved.names_of(number))),
                    "version": stored.version + 1,
                }
            )
        self._table.aliases[place] = moved
        self._table.alias_records += [(place, record) for record in records]
        if event is not None:
            self._table.events.append(event)

    def history(
        self, tenant_id: str, project: str, model: str, alias: str, page: PageRequest
    ) -> Page[AliasRecord]:
        own = {
            f"{record.sequence:012d}": record
            for place, record in self._table.alias_records
            if place == (tenant_id, project, model) and record.alias == alias
        }
        return page_of(own, page, newest=True)


class MemoryRegistryPolicies:
    """A RegistryPolicyRepository."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def get(self, tenant_id: str, project: str) -> RegistryPolicy:
        if (tenant_id, project) not in self._table.projects:
            raise NotFoundError(f"there is no project {project}")
        return self._table.registry_policies.get((tenant_id, project), RegistryPolicy())

    def put(
        self, tenant_id: str, project: str, policy: RegistryPolicy, event: RegistryPolicyChanged
    ) -> None:
        self._table.begin_write()
        require(self.get(tenant_id, project).version == policy.version - 1)
        self._table.registry_policies[tenant_id, project] = policy
        held = self._table.projects[tenant_id, project]
        asks = policy.rules != RegistryRules()
        self._table.projects[tenant_id, project] = held.model_copy(
            update={"has_registry_policy": asks, "version": held.version + 1}
        )
        self._table.events.append(event)


def count_versions(table: MemoryTable, tenant_id: str, project: str, more: int) -> None:
    """Count a version more or less in its project."""
    change_project(table, tenant_id, project, model_versions=more)
