"""Projects: PROJECT#<name> in the tenant's partition."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controlplane.adapters.dynamodb_items import (
    PRESENT,
    UNCHANGED,
    VERSION,
    as_item,
    create,
    tombstone,
    unannounced_tombstone,
)
from controlplane.adapters.dynamodb_project_keys import (
    registry_policy_key,
    revoked_keys_key,
    serving_policy_key,
    signing_key_key,
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
# Of the 100 writes of a transaction, with room for all that goes beside revoked keys.
_KEYS_AT_ONCE = 90


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


def project_change(
    tenant_id: str, project: str, update: str, values: Mapping[str, Any] | None = None
) -> Write:
    """What a change below a project notes in it, if it is there: `update` adds :one to its #version as well.

    So whoever is about to delete the project finds it changed.
    """
    return Write(
        project_key(tenant_id, project),
        kind="update",
        update=update,
        condition=PRESENT,
        names=VERSION,
        values={":one": 1, **(values or {})},
    )


def project_present(tenant_id: str, project: str) -> Write:
    """The part of a transaction that holds while the project is there."""
    return Write(project_key(tenant_id, project), kind="check", condition=PRESENT)


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
        keys = _revoked_keys_gone(self._table, tenant_id, project)
        try:
            # Revoked keys are trusted by nobody: those that are too many may go before their project.
            while len(keys) > _KEYS_AT_ONCE:
                self._table.transact(keys[:_KEYS_AT_ONCE])
                keys = keys[_KEYS_AT_ONCE:]
            self._table.transact([gone, *_documents_gone(tenant_id, project.name), *keys, *freed])
        except TransactionCancelledError as changed:
            raise ConcurrentChangeError(
                f"project {project.name} has changed meanwhile"
            ) from changed


def _revoked_keys_gone(table: Table, tenant_id: str, project: Project) -> list[Write]:
    """What frees the names of its revoked keys for the next project of its own name."""
    if not project.revoked_keys:
        return []
    named = table.get(revoked_keys_key(tenant_id, project.name)) or {}
    keys = (signing_key_key(tenant_id, project.name, n) for n in sorted(named.get("names", ())))
    return [
        replace(
            unannounced_tombstone(key),
            condition="attribute_not_exists(#status) OR #status = :revoked",
            names={"#status": "status"},
            values={":revoked": "Revoked"},
        )
        for key in keys
    ]


def _documents_gone(tenant_id: str, project: str) -> list[Write]:
    """What a project has one of. No tombstone of the revoked names: they are added to, and would expire with it."""
    return [
        unannounced_tombstone(registry_policy_key(tenant_id, project)),
        unannounced_tombstone(serving_policy_key(tenant_id, project)),
        Write(revoked_keys_key(tenant_id, project)),
    ]
