"""HTTP API of projects: create, look up, list, delete."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel

from controlplane.identifiers import Name
from controlplane.projects.model import Project, ProjectRequest
from controlplane.projects.service import create_project, delete_project
from controlplane.runtime.caller import permitted_caller
from controlplane.runtime.http import (
    BASE,
    Cursor,
    Limit,
    Listing,
    answer,
    create_api,
    idempotent_request,
    if_match,
    listing,
    no_content,
    page_request,
    serve,
)
from controlplane.runtime.wiring.projects import project_repository

PATH = f"{BASE}/projects"
ProjectName = Annotated[Name, Path(description="The project's name")]

api = create_api()


class ProjectView(BaseModel):
    """A project, with the number of registered model versions in it."""

    name: str
    description: str
    created_at: datetime
    created_by: str
    model_versions: int

    @classmethod
    def of(cls, project: Project) -> Self:
        return cls.model_validate(project.model_dump())


@api.post(
    PATH,
    operation_id="createProject",
    summary="Create a project",
    tags=["projects"],
    status_code=201,
)
def post_project(wanted: ProjectRequest) -> Response[ProjectView]:
    caller = permitted_caller(api)
    request = idempotent_request(api, caller, wanted)
    project = create_project(
        caller.tenant_id,
        wanted,
        caller.subject,
        request,
        caller.tenant.limits.projects,
        projects=project_repository(),
    )
    return answer(
        ProjectView.of(project),
        status=HTTPStatus.CREATED,
        etag=project.version,
        location=f"{PATH}/{project.name}",
    )


@api.get(
    PATH,
    operation_id="listProjects",
    summary="List the tenant's projects by name",
    tags=["projects"],
)
def list_projects(limit: Limit = 100, cursor: Cursor = "") -> Response[Listing[ProjectView]]:
    caller = permitted_caller(api)
    page = project_repository().list(caller.tenant_id, page_request(api, caller, limit, cursor))
    return answer(listing(api, caller, page, ProjectView.of))


@api.get(
    f"{PATH}/<project>", operation_id="getProject", summary="Look a project up", tags=["projects"]
)
def get_project(project: ProjectName) -> Response[ProjectView]:
    caller = permitted_caller(api)
    found = project_repository().get(caller.tenant_id, project)
    return answer(ProjectView.of(found), etag=found.version)


@api.delete(
    f"{PATH}/<project>",
    operation_id="deleteProject",
    summary="Delete an empty project",
    description="One without models and deployments, that trusts no signing key and whose registry policy asks for "
    "nothing: what approvers gave, they take back first.",
    tags=["projects"],
    status_code=204,
)
def remove_project(project: ProjectName) -> Response[None]:
    caller = permitted_caller(api)
    delete_project(
        caller.tenant_id, project, caller.subject, if_match(api), projects=project_repository()
    )
    return no_content()


lambda_handler = serve(api)
