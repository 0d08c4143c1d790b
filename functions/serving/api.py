"""HTTP API of serving: deployments, how they are set up, and whether they run."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from aws_lambda_powertools.event_handler import Response

from controlplane.runtime.caller import Caller, permitted_caller
from controlplane.runtime.deployment_paths import (
    DEPLOYMENT,
    DEPLOYMENTS,
    SERVING_POLICY,
    DeploymentName,
    ProjectName,
)
from controlplane.runtime.http import (
    Cursor,
    Limit,
    Listing,
    answer,
    create_api,
    idempotent_request,
    if_match,
    listing,
    page_request,
    serve,
)
from controlplane.runtime.settings import IngressSettings, load
from controlplane.runtime.wiring.serving import deployment_repository, serving_policies
from controlplane.serving.administration import (
    change_settings,
    create_deployment,
    put_serving_policy,
    resume_deployment,
    stop_deployment,
)
from controlplane.serving.model import Deployment, DeploymentRequest
from controlplane.serving.project_policy import ServingRules
from controlplane.serving.service import delete_deployment
from controlplane.serving.settings import DeploymentSettings
from controlplane.serving.views import DeploymentView

api = create_api()


def _view(caller: Caller, project: str, found: Deployment) -> DeploymentView:
    return DeploymentView.of(caller.tenant_id, project, found, load(IngressSettings).ingress_url)


@api.get(
    DEPLOYMENTS,
    operation_id="listDeployments",
    summary="List a project's deployments by name",
    tags=["serving"],
)
def list_deployments(
    project: ProjectName, limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[DeploymentView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = deployment_repository().list(caller.tenant_id, project, asked)
    return answer(listing(api, caller, page, partial(_view, caller, project)))


@api.get(
    DEPLOYMENT,
    operation_id="getDeployment",
    summary="Look a deployment up",
    tags=["serving"],
)
def get_deployment(project: ProjectName, deployment: DeploymentName) -> Response[DeploymentView]:
    caller = permitted_caller(api)
    found = deployment_repository().get(caller.tenant_id, project, deployment)
    return answer(_view(caller, project, found), etag=found.version)


@api.delete(
    DEPLOYMENT,
    operation_id="deleteDeployment",
    summary="Stop serving: remove the deployment with its revisions; the model's versions stay",
    tags=["serving"],
    status_code=202,
)
def remove_deployment(project: ProjectName, deployment: DeploymentName) -> Response[DeploymentView]:
    caller = permitted_caller(api)
    leaving = delete_deployment(
        caller.tenant_id,
        project,
        deployment,
        caller.subject,
        if_match(api),
        deployments=deployment_repository(),
    )
    return answer(_view(caller, project, leaving), status=HTTPStatus.ACCEPTED)


@api.post(
    DEPLOYMENTS,
    operation_id="createDeployment",
    summary="Make a deployment before a version is rolled out to it, or a further one of a model",
    tags=["serving"],
    status_code=201,
)
def post_deployment(project: ProjectName, wanted: DeploymentRequest) -> Response[DeploymentView]:
    caller = permitted_caller(api)
    made = create_deployment(
        caller.tenant_id,
        project,
        wanted,
        caller.subject,
        idempotent_request(api, caller, wanted),
        deployments=deployment_repository(),
    )
    location = f"{api.current_event.path}/{made.name}"
    view = _view(caller, project, made)
    return answer(view, status=HTTPStatus.CREATED, etag=made.version, location=location)


@api.get(
    f"{DEPLOYMENT}/settings",
    operation_id="getDeploymentSettings",
    summary="See a deployment's runtime, size, autoscaling and rollout policy",
    tags=["serving"],
)
def get_settings(project: ProjectName, deployment: DeploymentName) -> Response[DeploymentSettings]:
    caller = permitted_caller(api)
    found = deployment_repository().get(caller.tenant_id, project, deployment)
    return answer(found.settings, etag=found.version)


@api.put(
    f"{DEPLOYMENT}/settings",
    operation_id="putDeploymentSettings",
    summary="Set what the next rollout goes by: runtime, size, autoscaling and rollout policy",
    tags=["serving"],
)
def put_settings(
    project: ProjectName, deployment: DeploymentName, settings: DeploymentSettings
) -> Response[DeploymentSettings]:
    caller = permitted_caller(api)
    changed = change_settings(
        caller.tenant_id,
        project,
        deployment,
        settings,
        caller.subject,
        if_match(api),
        deployments=deployment_repository(),
    )
    return answer(changed.settings, etag=changed.version)


@api.post(
    f"{DEPLOYMENT}/stop",
    operation_id="stopDeployment",
    summary="Take a deployment's pods away and keep everything else",
    tags=["serving"],
    status_code=202,
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
)
def post_stop(project: ProjectName, deployment: DeploymentName) -> Response[DeploymentView]:
    return _switch(stop_deployment, project, deployment)


@api.post(
    f"{DEPLOYMENT}/resume",
    operation_id="resumeDeployment",
    summary="Let a stopped deployment run again as it was",
    tags=["serving"],
    status_code=202,
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
)
def post_resume(project: ProjectName, deployment: DeploymentName) -> Response[DeploymentView]:
    return _switch(resume_deployment, project, deployment)


@api.get(
    SERVING_POLICY,
    operation_id="getServingPolicy",
    summary="See what a project's deployments begin with, and whether versions are rolled out by themselves",
    tags=["serving"],
)
def get_policy(project: ProjectName) -> Response[ServingRules]:
    caller = permitted_caller(api)
    policy = serving_policies().get(caller.tenant_id, project)
    return answer(policy.rules, etag=policy.version)


@api.put(
    SERVING_POLICY,
    operation_id="putServingPolicy",
    summary="Set what a project's deployments begin with, and whether versions are rolled out by themselves",
    tags=["serving"],
)
def put_policy(project: ProjectName, rules: ServingRules) -> Response[ServingRules]:
    caller = permitted_caller(api)
    policy = put_serving_policy(
        caller.tenant_id,
        project,
        rules,
        caller.subject,
        if_match(api),
        policies=serving_policies(),
    )
    return answer(policy.rules, etag=policy.version)


def _switch(
    change: Callable[..., Deployment], project: str, deployment: str
) -> Response[DeploymentView]:
    caller = permitted_caller(api)
    changed = change(
        caller.tenant_id,
        project,
        deployment,
        caller.subject,
        if_match(api),
        deployments=deployment_repository(),
    )
    view = _view(caller, project, changed)
    return answer(view, status=HTTPStatus.ACCEPTED, etag=changed.version)


lambda_handler = serve(api)
