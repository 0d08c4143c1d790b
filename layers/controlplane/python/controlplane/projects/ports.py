"""What projects need from the outside world."""

from typing import Protocol

from controlplane.projects.model import Project, ProjectCreated, ProjectDeleted
from controlplane.requests import IdempotentRequest, Page, PageRequest


class ProjectRepository(Protocol):
    def add(
        self,
        tenant_id: str,
        project: Project,
        event: ProjectCreated,
        request: IdempotentRequest | None,
        limit: int,
    ) -> Project:
        """Store a new project if the tenant then has at most `limit`. A repeat returns the first answer.

        Raises AlreadyExistsError, QuotaExceededError, IdempotencyKeyReusedError, RequestInFlightError.
        """
        ...

    def get(self, tenant_id: str, name: str) -> Project:
        """Raises NotFoundError."""
        ...

    def list(self, tenant_id: str, page: PageRequest) -> Page[Project]:
        """Projects by name."""
        ...

    def remove(self, tenant_id: str, project: Project, event: ProjectDeleted) -> None:
        """Remove the project, its policies and its revoked keys if it still is in this state and empty.

        Raises ConcurrentChangeError when it has changed meanwhile.
        """
        ...
