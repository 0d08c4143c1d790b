"""Projects."""

from controlplane.errors import NotFoundError
from controlplane.identifiers import now
from controlplane.limits import Reservation
from controlplane.projects.model import Project, ProjectCreated, ProjectDeleted
from controlplane.requests import IdempotentRequest, Page, PageRequest
from tests.fakes.table import MemoryTable, create, page_of, require, reserve


class MemoryProjects:
    """A ProjectRepository."""

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    def add(
        self,
        tenant_id: str,
        project: Project,
        event: ProjectCreated,
        request: IdempotentRequest | None,
        limit: int,
    ) -> Project:
        place = (tenant_id, project.name)
        room = [Reservation("projects", 1, limit)]
        stored = create(self._table, self._table.projects, place, project, request, now(), room)
        if stored is project:
            self._table.events.append(event)
        return stored

    def get(self, tenant_id: str, name: str) -> Project:
        try:
            return self._table.projects[tenant_id, name]
        except KeyError:
            raise NotFoundError(f"there is no project {name}") from None

    def list(self, tenant_id: str, page: PageRequest) -> Page[Project]:
        own = {name: p for (tenant, name), p in self._table.projects.items() if tenant == tenant_id}
        return page_of(own, page)

    def remove(self, tenant_id: str, project: Project, event: ProjectDeleted) -> None:
        self._table.begin_write()
        stored = self._table.projects.get((tenant_id, project.name))
        require(stored is not None and stored.version == project.version)
        require(stored is not None and not stored.model_versions and not stored.deployments)
        del self._table.projects[tenant_id, project.name]
        self._table.registry_policies.pop((tenant_id, project.name), None)
        self._table.serving_policies.pop((tenant_id, project.name), None)
        keys = self._table.signing_keys
        for place in [at for at in keys if at[:2] == (tenant_id, project.name)]:
            del keys[place]
        reserve(self._table, tenant_id, [Reservation("projects", -1, 0)])
        self._table.events.append(event)
