"""HTTP API of the registry: models, their versions, and uploads."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from controlplane.errors import NotFoundError
from controlplane.identifiers import Name, UploadId
from controlplane.registry.manifest import Manifest
from controlplane.registry.service import (
    cancel_upload,
    create_upload,
    delete_version,
    issue_upload_credentials,
)
from controlplane.registry.views import (
    CredentialsView,
    ModelView,
    RejectedUploadView,
    UploadTicketView,
    UploadView,
    VersionView,
)
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
from controlplane.runtime.wiring.registry import (
    model_repository,
    project_directory,
    upload_authority,
    upload_repository,
)

MODELS = f"{BASE}/projects/<project>/models"
VERSIONS = f"{MODELS}/<model>/versions"
UPLOADS = f"{MODELS}/<model>/uploads"
ProjectName = Annotated[Name, Path(description="The project's name")]
ModelName = Annotated[Name, Path(description="The model's name")]
Number = Annotated[int, Path(ge=1, le=99_999_999, description="The version's number")]
Upload = Annotated[UploadId, Path(description="The upload's identifier")]

api = create_api()


@api.get(
    MODELS, operation_id="listModels", summary="List a project's models by name", tags=["registry"]
)
def list_models(
    project: ProjectName, limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[ModelView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = model_repository().list(caller.tenant_id, project, asked)
    return answer(listing(api, caller, page, ModelView.of))


@api.get(f"{MODELS}/<model>", operation_id="getModel", summary="Look a model up", tags=["registry"])
def get_model(project: ProjectName, model: ModelName) -> Response[ModelView]:
    caller = permitted_caller(api)
    found = model_repository().get(caller.tenant_id, project, model)
    return answer(ModelView.of(found), etag=found.version)


@api.get(
    VERSIONS,
    operation_id="listVersions",
    summary="List a model's versions, the newest first",
    tags=["registry"],
)
def list_versions(
    project: ProjectName, model: ModelName, limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[VersionView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = model_repository().list_versions(caller.tenant_id, project, model, asked)
    if not (page.items or page.next_after or cursor):
        raise NotFoundError(f"there is no model {model}")
    return answer(listing(api, caller, page, VersionView.of))


@api.get(
    f"{VERSIONS}/<version>",
    operation_id="getVersion",
    summary="Look a model version up",
    tags=["registry"],
)
def get_version(project: ProjectName, model: ModelName, version: Number) -> Response[VersionView]:
    caller = permitted_caller(api)
    found = model_repository().get_version(caller.tenant_id, project, model, version)
    return answer(VersionView.of(found), etag=found.version)


@api.delete(
    f"{VERSIONS}/<version>",
    operation_id="deleteVersion",
    summary="Delete a model version that no deployment holds",
    tags=["registry"],
    status_code=204,
)
def remove_version(project: ProjectName, model: ModelName, version: Number) -> Response[None]:
    caller = permitted_caller(api)
    delete_version(
        caller.tenant_id,
        project,
        model,
        version,
        caller.subject,
        if_match(api),
        models=model_repository(),
    )
    return no_content()


@api.post(
    UPLOADS,
    operation_id="createUpload",
    summary="Open an upload: presigned requests for every file, and for the manifest that completes it",
    tags=["registry"],
    status_code=201,
)
def post_upload(
    project: ProjectName, model: ModelName, manifest: Manifest
) -> Response[UploadTicketView]:
    caller = permitted_caller(api)
    ticket = create_upload(
        caller.tenant_id,
        project,
        model,
        manifest,
        caller.subject,
        idempotent_request(api, caller, manifest),
        projects=project_directory(),
        uploads=upload_repository(),
        authority=upload_authority(),
    )
    location = f"{api.current_event.path}/{ticket.upload.upload_id}"
    return answer(
        UploadTicketView.of(ticket),
        status=HTTPStatus.CREATED,
        etag=ticket.upload.version,
        location=location,
    )


@api.get(UPLOADS, operation_id="listUploads", summary="List a model's uploads", tags=["registry"])
def list_uploads(
    project: ProjectName, model: ModelName, limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[UploadView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = upload_repository().list(caller.tenant_id, project, model, asked)
    return answer(listing(api, caller, page, UploadView.of))


@api.get(
    f"{UPLOADS}/<upload>",
    operation_id="getUpload",
    summary="See how far an upload is",
    tags=["registry"],
)
def get_upload(project: ProjectName, model: ModelName, upload: Upload) -> Response[UploadView]:
    caller = permitted_caller(api)
    found = upload_repository().get(caller.tenant_id, project, model, upload)
    return answer(UploadView.of(found), etag=found.version)


@api.delete(
    f"{UPLOADS}/<upload>",
    operation_id="cancelUpload",
    summary="Cancel a pending upload",
    tags=["registry"],
)
def remove_upload(project: ProjectName, model: ModelName, upload: Upload) -> Response[UploadView]:
    caller = permitted_caller(api)
    cancelled = cancel_upload(
        caller.tenant_id, project, model, upload, if_match(api), uploads=upload_repository()
    )
    return answer(UploadView.of(cancelled))


@api.post(
    f"{MODELS}/<model>/credentials",
    operation_id="createUploadCredentials",
    summary="Temporary AWS credentials to upload files of this model with any S3 client",
    openapi_extensions={"x-creates-nothing": True},
    tags=["registry"],
    status_code=201,
)
def post_credentials(project: ProjectName, model: ModelName) -> Response[CredentialsView]:
    caller = permitted_caller(api)
    credentials = issue_upload_credentials(
        caller.tenant_id,
        project,
        model,
        caller.subject,
        projects=project_directory(),
        authority=upload_authority(),
    )
    issued = answer(CredentialsView.of(credentials), status=HTTPStatus.CREATED)
    issued.headers["Cache-Control"] = "no-store"
    return issued


@api.get(
    f"{BASE}/rejected-uploads",
    operation_id="listRejectedUploads",
    summary="List objects that arrived where no model can be, the newest first",
    tags=["registry"],
)
def list_rejected_uploads(
    limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[RejectedUploadView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = upload_repository().list_rejected(caller.tenant_id, asked)
    return answer(listing(api, caller, page, RejectedUploadView.of))


lambda_handler = serve(api)
