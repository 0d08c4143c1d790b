"""HTTP API of serving: deployments and their rollouts."""

from functools import partial
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from controlplane.identifiers import Name, RolloutId
from controlplane.runtime.caller import Caller, permitted_caller
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
    page_request,
    serve,
)
from controlplane.runtime.settings import IngressSettings, load
from controlplane.runtime.wiring.serving import deployment_repository
from controlplane.serving.model import Deployment, RolloutRequest
from controlplane.serving.service import delete_deployment, request_rollout
from controlplane.serving.views import DeploymentView, RolloutView

DEPLOYMENTS = f"{BASE}/projects/<project>/deployments"
ROLLOUTS = f"{DEPLOYMENTS}/<deployment>/rollouts"
ProjectName = Annotated[Name, Path(description="The project's name")]
DeploymentName = Annotated[Name, Path(description="The deployment's name")]
RolloutIdentifier = Annotated[RolloutId, Path(description="The rollout's identifier")]

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
    f"{DEPLOYMENTS}/<deployment>",
    operation_id="getDeployment",
    summary="Look a deployment up",
    tags=["serving"],
)
def get_deployment(project: ProjectName, deployment: DeploymentName) -> Response[DeploymentView]:
    caller = permitted_caller(api)
    found = deployment_repository().get(caller.tenant_id, project, deployment)
    return answer(_view(caller, project, found), etag=found.version)


@api.delete(
    f"{DEPLOYMENTS}/<deployment>",
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
    ROLLOUTS,
    operation_id="createRollout",
    summary="Roll a registered version out, also one that was served before",
    tags=["serving"],
    status_code=202,
)
def post_rollout(
    project: ProjectName, deployment: DeploymentName, wanted: RolloutRequest
) -> Response[RolloutView]:
    caller = permitted_caller(api)
    rollout = request_rollout(
        caller.tenant_id,
        project,
        deployment,
        wanted.version,
        caller.subject,
        idempotent_request(api, caller, wanted),
        caller.tenant.limits.deployments,
        deployments=deployment_repository(),
    )
    location = f"{api.current_event.path}/{rollout.rollout_id}"
    return answer(RolloutView.of(rollout), status=HTTPStatus.ACCEPTED, location=location)


@api.get(
    f"{ROLLOUTS}/<rollout>",
    operation_id="getRollout",
    summary="See how a rollout goes",
    tags=["serving"],
)
def get_rollout(
    project: ProjectName, deployment: DeploymentName, rollout: RolloutIdentifier
) -> Response[RolloutView]:
    caller = permitted_caller(api)
    found = deployment_repository().get_rollout(caller.tenant_id, project, deployment, rollout)
    return answer(RolloutView.of(found))


lambda_handler = serve(api)
