"""What can be done with projects."""

from controlplane.errors import InUseError, InvalidRequestError
from controlplane.identifiers import RESERVED_NAME, now
from controlplane.projects.model import Project, ProjectCreated, ProjectDeleted, ProjectRequest
from controlplane.projects.ports import ProjectRepository
from controlplane.requests import IdempotentRequest, require_version


def create_project(
    tenant_id: str,
    wanted: ProjectRequest,
    created_by: str,
    request: IdempotentRequest | None,
    limit: int,
    *,
    projects: ProjectRepository,
) -> Project:
    """A project, as long as the tenant has at most `limit` of them.

    Raises InvalidRequestError for a reserved name, and what the repository's `add` raises.
    """
    if wanted.name == RESERVED_NAME:
        raise InvalidRequestError(
            f"no project may be called {RESERVED_NAME}", remedy="Choose another name."
        )
    project = Project(
        name=wanted.name, description=wanted.description, created_at=now(), created_by=created_by
    )
    event = ProjectCreated(tenant_id=tenant_id, project=wanted.name, created_by=created_by)
    return projects.add(tenant_id, project, event, request, limit)


def delete_project(
    tenant_id: str,
    name: str,
    deleted_by: str,
    if_match: int | None,
    *,
    projects: ProjectRepository,
) -> None:
    """Remove an empty project, with what it was set to: the next of its name begins with nothing of it.

    What those who approve have given it, they take back first: else whoever may delete and make projects could lift
    it. Raises NotFoundError, PreconditionFailedError, InUseError.
    """
    project = projects.get(tenant_id, name)
    require_version(if_match, project.version, f"project {name}")
    if project.model_versions:
        raise InUseError(
            f"project {name} still has {project.model_versions} model versions",
            remedy="Delete its model versions first.",
        )
    if project.deployments:
        raise InUseError(
            f"project {name} still has {project.deployments} deployments",
            remedy="Delete its deployments first, and wait until they are gone from its list.",
        )
    _require_ungoverned(project)
    event = ProjectDeleted(tenant_id=tenant_id, project=name, deleted_by=deleted_by)
    projects.remove(tenant_id, project, event)


def _require_ungoverned(project: Project) -> None:
    if project.signing_keys:
        raise InUseError(
            f"project {project.name} still trusts {project.signing_keys} signing keys",
            remedy="Have a tenant administrator revoke them first (revokeSigningKey).",
        )
    if project.has_registry_policy:
        raise InUseError(
            f"project {project.name} still has a registry policy that asks something of its versions",
            remedy="Have a tenant administrator put it back to its defaults first (putRegistryPolicy with {}).",
        )
