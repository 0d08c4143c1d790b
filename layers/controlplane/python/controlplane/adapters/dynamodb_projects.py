"""Projects: PROJECT#<name> in the tenant's partition."""

from controlplane.adapters.dynamodb_items import (
    PRESENT,
    UNCHANGED,
    VERSION,
    as_item,
    create,
    tombstone,
)
from controlplane.adapters.dynamodb_quotas import reservation_writes
from controlplane.adapters.dynamodb_table import (
    Key,
    Table,
    TransactionCancelledError,
    Write,
    is_tombstone,
    tenant_partition,
)
from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.limits import Reservation
from controlplane.projects.model import Project, ProjectCreated, ProjectDeleted
from controlplane.requests import IdempotentRequest, Page, PageRequest

_ROOM = "attribute_not_exists(deployments) OR deployments < :most"


def project_key(tenant_id: str, name: str) -> Key:
    return Key(tenant_partition(tenant_id), f"PROJECT#{name}")


def deployment_count(tenant_id: str, project: str, more: int, most: int | None = None) -> Write:
    """One deployment more in its project, if that is there and had fewer than `most`; or one fewer.

    A deployment goes also from a project that an offboarding has closed before it.
    """
    limited = {":most": most} if most is not None else {}
    present = PRESENT if more > 0 else "attribute_exists(pk)"
    return Write(
        project_key(tenant_id, project),
        kind="update",
        update="ADD deployments :more, #version :one",
        condition=f"{present} AND ({_ROOM})" if limited else present,
        names=VERSION,
        values={":more": more, ":one": 1, **limited},
    )


class DynamoDBProjects:
    """A ProjectRepository."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(
        self,
        tenant_id: str,
        project: Project,
        event: ProjectCreated,
        request: IdempotentRequest | None,
        limit: int,
    ) -> Project:
        item = as_item(project_key(tenant_id, project.name), project, event)
        room = [Reservation("projects", 1, limit)]
        return Project.model_validate(create(self._table, tenant_id, item, request, room))

    def get(self, tenant_id: str, name: str) -> Project:
        item = self._table.get(project_key(tenant_id, name))
        if is_tombstone(item):
            raise NotFoundError(f"there is no project {name}")
        return Project.model_validate(item)

    def list(self, tenant_id: str, page: PageRequest) -> Page[Project]:
        found = self._table.query(tenant_partition(tenant_id), "PROJECT#", page)
        return Page([Project.model_validate(item) for item in found.items], found.next_after)

    def remove(self, tenant_id: str, project: Project, event: ProjectDeleted) -> None:
        key = project_key(tenant_id, project.name)
        left = tombstone(key, event, project.version)
        # Records of its uploads and rollouts lie in a partition of its own, which offboarding finds through it.
        del left["expires_at"]
        gone = Write(
            key,
            item=left,
            condition=f"{UNCHANGED} AND model_versions = :none",
            names=VERSION,
            values={":known": project.version, ":none": 0},
        )
        freed = reservation_writes(tenant_id, [Reservation("projects", -1, 0)])
        try:
            self._table.transact([gone, *freed])
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError(
                f"project {project.name} has changed meanwhile"
            ) from changed
