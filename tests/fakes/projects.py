"""Projects."""

from controlplane.errors import NotFoundError
from controlplane.identifiers import now
from controlplane.projects.model import Project, ProjectCreated, ProjectDeleted
from controlplane.requests import IdempotentRequest, Page, PageRequest
from tests.fakes.table import MemoryTable, create, page_of, require


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
    ) -> Project:
        place = (tenant_id, project.name)
        stored = create(self._table, self._table.projects, place, project, request, now())
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
        require(
            stored is not None and stored.version == project.version and stored.model_versions == 0
        )
        del self._table.projects[tenant_id, project.name]
        self._table.events.append(event)
