"""HTTP API of what is told and decided about registered versions: tags, cards, approval, policy, lineage."""

from typing import Annotated, Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from controlplane.errors import InvalidRequestError
from controlplane.identifiers import Name
from controlplane.registry.approval import ApprovalDecision, approve_version, reject_version
from controlplane.registry.cards import render_card
from controlplane.registry.changes import (
    CardText,
    ModelChange,
    VersionChange,
    change_model,
    change_version,
    put_registry_policy,
    write_card,
)
from controlplane.registry.gates import evaluate
from controlplane.registry.governance_views import (
    ClearanceView,
    LineageLinkView,
    LineageView,
)
from controlplane.registry.lineage import Origin, asked_origin, origins_of
from controlplane.registry.model import ModelVersion
from controlplane.registry.policy import RegistryRules
from controlplane.registry.views import ModelView, VersionView
from controlplane.requests import PageRequest
from controlplane.runtime.caller import permitted_caller
from controlplane.runtime.cursors import open_cursor, seal_cursor
from controlplane.runtime.http import (
    BASE,
    Cursor,
    Limit,
    Listing,
    answer,
    create_api,
    if_match,
    serve,
)
from controlplane.runtime.wiring import tables
from controlplane.runtime.wiring.registry import (
    lineage_repository,
    registry_policy_repository,
    version_repository,
)

PROJECT = f"{BASE}/projects/<project>"
MODEL = f"{PROJECT}/models/<model>"
VERSION = f"{MODEL}/versions/<version>"
ProjectName = Annotated[Name, Path(description="The project's name")]
ModelName = Annotated[Name, Path(description="The model's name")]
Number = Annotated[int, Path(ge=1, le=99_999_999, description="The version's number")]
Dataset = Annotated[str, Query(max_length=200, description="The data set's digest")]
Run = Annotated[str, Query(max_length=200, description="The run")]
TemplateVersion = Annotated[str, Query(max_length=200, description="The template's version")]
LINEAGE_PARAMETERS = frozenset({*Origin, "limit", "cursor"})
DECISION = {"x-creates-nothing": True, "x-if-match": True}
# How the document describes the card, which is no JSON.
MARKDOWN: Any = {
    200: {
        "description": "The card",
        "content": {"text/markdown": {"schema": {"type": "string"}}},
    }
}

api = create_api()


@api.patch(MODEL, operation_id="changeModel", summary="Change a model's tags", tags=["registry"])
def patch_model(project: ProjectName, model: ModelName, change: ModelChange) -> Response[ModelView]:
    caller = permitted_caller(api)
    changed = change_model(
        caller.tenant_id,
        project,
        model,
        change,
        caller.subject,
        if_match(api),
        versions=version_repository(),
    )
    return answer(ModelView.of(changed), etag=changed.version)


@api.patch(
    VERSION,
    operation_id="changeVersion",
    summary="Change a version's tags, or add evidence that it has not yet",
    tags=["registry"],
)
def patch_version(
    project: ProjectName, model: ModelName, version: Number, change: VersionChange
) -> Response[VersionView]:
    caller = permitted_caller(api)
    changed = change_version(
        caller.tenant_id,
        project,
        model,
        version,
        change,
        caller.subject,
        if_match(api),
        versions=version_repository(),
    )
    return _version(changed)


@api.get(
    f"{VERSION}/card",
    operation_id="getCard",
    summary="Read a version's card: what is known of it, and what people wrote, as Markdown",
    tags=["registry"],
    responses=MARKDOWN,
)
def get_card(project: ProjectName, model: ModelName, version: Number) -> Response[str]:
    caller = permitted_caller(api)
    found = version_repository().get_version(caller.tenant_id, project, model, version)
    return Response(
        status_code=200,
        content_type="text/markdown; charset=utf-8",
        body=render_card(found),
        headers={"ETag": f'"{found.version}"', "X-Content-Type-Options": "nosniff"},
    )


@api.put(
    f"{VERSION}/card",
    operation_id="putCard",
    summary="Write people's part of a version's card",
    tags=["registry"],
)
def put_card(
    project: ProjectName, model: ModelName, version: Number, card: CardText
) -> Response[VersionView]:
    caller = permitted_caller(api)
    changed = write_card(
        caller.tenant_id,
        project,
        model,
        version,
        card.text,
        caller.subject,
        if_match(api),
        versions=version_repository(),
    )
    return _version(changed)


@api.post(
    f"{VERSION}/approve",
    operation_id="approveVersion",
    summary="Let a version serve, as far as people have a say",
    tags=["registry"],
    openapi_extensions=DECISION,
)
def post_approval(
    project: ProjectName, model: ModelName, version: Number, decision: ApprovalDecision
) -> Response[VersionView]:
    caller = permitted_caller(api)
    approved = approve_version(
        caller.tenant_id,
        project,
        model,
        version,
        decision.reason,
        caller.subject,
        if_match(api),
        versions=version_repository(),
    )
    return _version(approved)


@api.post(
    f"{VERSION}/reject",
    operation_id="rejectVersion",
    summary="Let nobody roll a version out",
    tags=["registry"],
    openapi_extensions=DECISION,
)
def post_rejection(
    project: ProjectName, model: ModelName, version: Number, decision: ApprovalDecision
) -> Response[VersionView]:
    caller = permitted_caller(api)
    rejected = reject_version(
        caller.tenant_id,
        project,
        model,
        version,
        decision.reason,
        caller.subject,
        if_match(api),
        versions=version_repository(),
    )
    return _version(rejected)


@api.get(
    f"{VERSION}/clearance",
    operation_id="getClearance",
    summary="See whether a version may serve: each condition of the project, met or not, and why",
    tags=["registry"],
)
def get_clearance(
    project: ProjectName, model: ModelName, version: Number
) -> Response[ClearanceView]:
    caller = permitted_caller(api)
    case = version_repository().get_case(caller.tenant_id, project, model, version)
    results = evaluate(case.policy, case.version, case.champion, case.revoked_keys)
    return answer(ClearanceView.of(case.version, results))


@api.get(
    f"{VERSION}/lineage",
    operation_id="getLineage",
    summary="See what a version was made of, and what holds it",
    tags=["registry"],
)
def get_lineage(project: ProjectName, model: ModelName, version: Number) -> Response[LineageView]:
    caller = permitted_caller(api)
    found = version_repository().get_version(caller.tenant_id, project, model, version)
    listed = {
        origin: f"{BASE}/projects/{project}/lineage?{urlencode({origin.value: reference})}"
        for origin, reference in origins_of(found).items()
    }
    return answer(LineageView.of(found, listed))


@api.get(
    f"{PROJECT}/lineage",
    operation_id="listLineage",
    summary="List the versions that were made of one data set, by one run or of one template's version; "
    "of all data sets, if none is named",
    tags=["registry"],
)
def list_lineage(
    project: ProjectName,
    dataset: Dataset = "",
    run: Run = "",
    template_version: TemplateVersion = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[Listing[LineageLinkView]]:
    caller = permitted_caller(api)
    _require_known_parameters()
    asked = asked_origin(
        {Origin.DATASET: dataset, Origin.RUN: run, Origin.TEMPLATE_VERSION: template_version}
    )
    # A cursor is a place among the versions of one origin, and good for no other.
    place = f"{api.current_event.path}?{asked.origin}={asked.reference or ''}"
    after = open_cursor(tables.cursor_key(), caller.tenant_id, place, cursor) if cursor else None
    page = lineage_repository().list(caller.tenant_id, project, asked, PageRequest(limit, after))
    sealed = page.next_after and seal_cursor(
        tables.cursor_key(), caller.tenant_id, place, page.next_after
    )
    return answer(Listing(items=[LineageLinkView.of(link) for link in page.items], next=sealed))


@api.get(
    f"{PROJECT}/registry-policy",
    operation_id="getRegistryPolicy",
    summary="See what a project asks of the versions that it lets serve",
    tags=["registry"],
)
def get_registry_policy(project: ProjectName) -> Response[RegistryRules]:
    caller = permitted_caller(api)
    policy = registry_policy_repository().get(caller.tenant_id, project)
    return answer(policy.rules, etag=policy.version)


@api.put(
    f"{PROJECT}/registry-policy",
    operation_id="putRegistryPolicy",
    summary="Replace what a project asks of the versions that it lets serve",
    tags=["registry"],
)
def put_policy(project: ProjectName, rules: RegistryRules) -> Response[RegistryRules]:
    caller = permitted_caller(api)
    policy = put_registry_policy(
        caller.tenant_id,
        project,
        rules,
        caller.subject,
        if_match(api),
        policies=registry_policy_repository(),
    )
    return answer(policy.rules, etag=policy.version)


def _require_known_parameters() -> None:
    """A misspelt one would be answered with the versions of all data sets. Raises InvalidRequestError."""
    unknown = sorted(api.current_event.query_string_parameters.keys() - LINEAGE_PARAMETERS)
    if unknown:
        raise InvalidRequestError(
            f"there is no query parameter {', '.join(unknown)}",
            remedy=f"Known are {', '.join(sorted(LINEAGE_PARAMETERS))}.",
        )


def _version(version: ModelVersion) -> Response[VersionView]:
    return answer(VersionView.of(version), etag=version.version)


lambda_handler = serve(api)
