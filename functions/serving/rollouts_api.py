"""HTTP API of serving: rollouts, what they would do and came to, and commands to them."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from controlplane.errors import NotFoundError
from controlplane.identifiers import now
from controlplane.runtime.caller import permitted_caller
from controlplane.runtime.deployment_paths import (
    DEPLOYMENT,
    ROLLOUT,
    ROLLOUTS,
    DeploymentName,
    ProjectName,
    RolloutIdentifier,
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
from controlplane.runtime.wiring import metrics, serving
from controlplane.serving.commands import command_rollout, roll_back_deployment
from controlplane.serving.model import RolloutRequest
from controlplane.serving.plan import PlanQuestion, plan_rollout
from controlplane.serving.rollout_views import (
    EvidenceView,
    PlanView,
    RolloutView,
    TickView,
    why_no_evidence,
)
from controlplane.serving.service import request_rollout
from controlplane.serving.states import Command

LINK_LIFETIME = timedelta(minutes=15)
READS_ONLY = {"x-creates-nothing": True}
COMMAND = READS_ONLY | {"x-if-match": True}
ErrorRate = Annotated[
    float,
    Query(ge=0, le=1, description="The stable revision's error rate, for the traffic it needs"),
]

api = create_api()


@api.post(
    ROLLOUTS,
    operation_id="createRollout",
    summary="Roll a registered version out, also one that was served before",
    tags=["rollouts"],
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
        wanted,
        caller.subject,
        idempotent_request(api, caller, wanted),
        caller.tenant.limits.deployments,
        deployments=serving.deployment_repository(),
        aliases=serving.alias_directory(),
    )
    location = f"{api.current_event.path}/{rollout.rollout_id}"
    return answer(RolloutView.of(rollout), status=HTTPStatus.ACCEPTED, location=location)


@api.post(
    f"{DEPLOYMENT}/plan",
    operation_id="planRollout",
    summary="Tell what a rollout would do: steps, writes to the cluster, traffic a verdict needs; nothing is changed",
    tags=["rollouts"],
    openapi_extensions=READS_ONLY,
)
def post_plan(
    project: ProjectName,
    deployment: DeploymentName,
    wanted: RolloutRequest,
    error_rate: ErrorRate = 0.01,
) -> Response[PlanView]:
    caller = permitted_caller(api)
    plan = plan_rollout(
        caller.tenant_id,
        project,
        deployment,
        PlanQuestion(wanted, error_rate, metrics.has_metric_source(), metrics.counts_copies()),
        deployments=serving.deployment_repository(),
        versions=serving.version_catalog(),
        aliases=serving.alias_directory(),
        compiler=serving.rollout_compiler(),
    )
    return answer(PlanView.of(plan))


@api.get(
    ROLLOUTS,
    operation_id="listRollouts",
    summary="List a deployment's rollouts, the newest first",
    tags=["rollouts"],
)
def list_rollouts(
    project: ProjectName, deployment: DeploymentName, limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[RolloutView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = serving.deployment_repository().list_rollouts(
        caller.tenant_id, project, deployment, asked
    )
    return answer(listing(api, caller, page, RolloutView.of))


@api.get(ROLLOUT, operation_id="getRollout", summary="See how a rollout goes", tags=["rollouts"])
def get_rollout(
    project: ProjectName, deployment: DeploymentName, rollout: RolloutIdentifier
) -> Response[RolloutView]:
    caller = permitted_caller(api)
    found = serving.deployment_repository().get_rollout(
        caller.tenant_id, project, deployment, rollout
    )
    return answer(RolloutView.of(found))


@api.get(
    f"{ROLLOUT}/ticks",
    operation_id="listTicks",
    summary="List what each look at a rollout saw, how it was judged and what was done",
    tags=["rollouts"],
)
def list_ticks(
    project: ProjectName,
    deployment: DeploymentName,
    rollout: RolloutIdentifier,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[Listing[TickView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = serving.deployment_repository().list_ticks(
        caller.tenant_id, project, deployment, rollout, asked
    )
    return answer(listing(api, caller, page, TickView.of))


@api.get(
    f"{ROLLOUT}/evidence",
    operation_id="getEvidence",
    summary="Get a link to a rollout's evidence: plan, samples, verdicts, writes, times and who",
    tags=["rollouts"],
)
def get_evidence(
    project: ProjectName, deployment: DeploymentName, rollout: RolloutIdentifier
) -> Response[EvidenceView]:
    caller = permitted_caller(api)
    place = (caller.tenant_id, project, deployment, rollout)
    found = serving.deployment_repository().get_rollout(*place)
    if found.evidence is None:
        raise NotFoundError(f"rollout {rollout} has no evidence", remedy=why_no_evidence(found))
    expires_at = now() + LINK_LIFETIME
    url = metrics.evidence_links().link(*place, expires_at)
    return answer(EvidenceView(url=url, expires_at=expires_at))


@api.post(
    f"{ROLLOUT}/pause",
    operation_id="pauseRollout",
    summary="Stay at the present step; it is judged on, and rolled back if it fails",
    tags=["rollouts"],
    openapi_extensions=COMMAND,
)
def post_pause(
    project: ProjectName, deployment: DeploymentName, rollout: RolloutIdentifier
) -> Response[RolloutView]:
    return _command(Command.PAUSE, project, deployment, rollout)


@api.post(
    f"{ROLLOUT}/resume",
    operation_id="resumeRollout",
    summary="Go on after a pause",
    tags=["rollouts"],
    openapi_extensions=COMMAND,
)
def post_resume(
    project: ProjectName, deployment: DeploymentName, rollout: RolloutIdentifier
) -> Response[RolloutView]:
    return _command(Command.RESUME, project, deployment, rollout)


@api.post(
    f"{ROLLOUT}/promote",
    operation_id="promoteRollout",
    summary="Give the canary all traffic now, whatever steps are left",
    tags=["rollouts"],
    openapi_extensions=COMMAND,
)
def post_promotion(
    project: ProjectName, deployment: DeploymentName, rollout: RolloutIdentifier
) -> Response[RolloutView]:
    return _command(Command.PROMOTE, project, deployment, rollout)


@api.post(
    f"{ROLLOUT}/abort",
    operation_id="abortRollout",
    summary="Give all traffic back to the stable revision and end the rollout",
    tags=["rollouts"],
    openapi_extensions=COMMAND,
)
def post_abort(
    project: ProjectName, deployment: DeploymentName, rollout: RolloutIdentifier
) -> Response[RolloutView]:
    return _command(Command.ABORT, project, deployment, rollout)


@api.post(
    f"{ROLLOUT}/approve",
    operation_id="approveRollout",
    summary="Let a rollout that awaits approval go to its next step",
    tags=["rollouts"],
    openapi_extensions=COMMAND,
)
def post_approval(
    project: ProjectName, deployment: DeploymentName, rollout: RolloutIdentifier
) -> Response[RolloutView]:
    return _command(Command.APPROVE, project, deployment, rollout)


@api.post(
    f"{DEPLOYMENT}/rollback",
    operation_id="rollBackDeployment",
    summary="Return to the revision before, while it is kept running",
    tags=["rollouts"],
    status_code=202,
)
def post_rollback(project: ProjectName, deployment: DeploymentName) -> Response[RolloutView]:
    caller = permitted_caller(api)
    rollout = roll_back_deployment(
        caller.tenant_id,
        project,
        deployment,
        caller.subject,
        idempotent_request(api, caller, None),
        caller.tenant.limits.deployments,
        deployments=serving.deployment_repository(),
    )
    return answer(RolloutView.of(rollout), status=HTTPStatus.ACCEPTED)


def _command(
    command: Command, project: str, deployment: str, rollout: str
) -> Response[RolloutView]:
    caller = permitted_caller(api)
    commanded = command_rollout(
        caller.tenant_id,
        project,
        deployment,
        rollout,
        command,
        caller.subject,
        if_match(api),
        deployments=serving.deployment_repository(),
    )
    return answer(RolloutView.of(commanded))


lambda_handler = serve(api)
