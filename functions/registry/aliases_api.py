"""HTTP API of aliases: names that point at versions of a model."""

from functools import partial
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path

from controlplane.errors import NotFoundError, PolicyDeniedError
from controlplane.identifiers import Name
from controlplane.registry.aliases import AliasesRequest, AliasRequest
from controlplane.registry.governance_views import AliasesView, AliasMoveView, AliasView
from controlplane.registry.moves import delete_alias, find_alias, move_aliases
from controlplane.runtime.caller import Caller, permitted_caller, require_right_in_project
from controlplane.runtime.http import (
    BASE,
    Cursor,
    Limit,
    Listing,
    answer,
    create_api,
    if_match,
    listing,
    no_content,
    page_request,
    serve,
)
from controlplane.runtime.wiring.registry import alias_repository, model_repository

ALIASES = f"{BASE}/projects/<project>/models/<model>/aliases"
ProjectName = Annotated[Name, Path(description="The project's name")]
ModelName = Annotated[Name, Path(description="The model's name")]
Alias = Annotated[Name, Path(description="The alias, or `latest` to look the newest version up")]

api = create_api()


@api.get(
    ALIASES,
    operation_id="getAliases",
    summary="See which version each alias of a model names",
    tags=["registry"],
)
def get_aliases(project: ProjectName, model: ModelName) -> Response[AliasesView]:
    caller = permitted_caller(api)
    found = alias_repository().get(caller.tenant_id, project, model)
    return answer(AliasesView.of(found), etag=found.version)


@api.post(
    ALIASES,
    operation_id="moveAliases",
    summary="Move several aliases at once, all or none",
    tags=["registry"],
    openapi_extensions={"x-creates-nothing": True, "x-if-match": True},
)
def post_aliases(
    project: ProjectName, model: ModelName, wanted: AliasesRequest
) -> Response[AliasesView]:
    caller = permitted_caller(api)
    moved = move_aliases(
        caller.tenant_id,
        project,
        model,
        wanted.aliases,
        caller.subject,
        if_match(api),
        aliases=alias_repository(),
        require_policy_right=partial(_require_policy_right, caller, project),
    )
    return answer(AliasesView.of(moved), etag=moved.version)


@api.get(
    f"{ALIASES}/<alias>",
    operation_id="getAlias",
    summary="Look up which version an alias names",
    tags=["registry"],
)
def get_alias(project: ProjectName, model: ModelName, alias: Alias) -> Response[AliasView]:
    caller = permitted_caller(api)
    state, version = find_alias(
        caller.tenant_id,
        project,
        model,
        alias,
        aliases=alias_repository(),
        models=model_repository(),
    )
    return answer(AliasView.of(alias, state), etag=version)


@api.put(
    f"{ALIASES}/<alias>",
    operation_id="moveAlias",
    summary="Let an alias name a version",
    tags=["registry"],
)
def put_alias(
    project: ProjectName, model: ModelName, alias: Alias, wanted: AliasRequest
) -> Response[AliasView]:
    caller = permitted_caller(api)
    moved = move_aliases(
        caller.tenant_id,
        project,
        model,
        {alias: wanted.version},
        caller.subject,
        if_match(api),
        aliases=alias_repository(),
        require_policy_right=partial(_require_policy_right, caller, project),
    )
    return answer(AliasView.of(alias, moved.named[alias]), etag=moved.version)


@api.delete(
    f"{ALIASES}/<alias>",
    operation_id="deleteAlias",
    summary="Delete an alias; the version that it names stays",
    tags=["registry"],
    status_code=204,
)
def remove_alias(project: ProjectName, model: ModelName, alias: Alias) -> Response[None]:
    caller = permitted_caller(api)
    delete_alias(
        caller.tenant_id,
        project,
        model,
        alias,
        caller.subject,
        if_match(api),
        aliases=alias_repository(),
        require_policy_right=partial(_require_policy_right, caller, project),
    )
    return no_content()


@api.get(
    f"{ALIASES}/<alias>/history",
    operation_id="listAliasMoves",
    summary="List the moves of an alias, the newest first",
    tags=["registry"],
)
def list_alias_moves(
    project: ProjectName, model: ModelName, alias: Alias, limit: Limit = 100, cursor: Cursor = ""
) -> Response[Listing[AliasMoveView]]:
    caller = permitted_caller(api)
    asked = page_request(api, caller, limit, cursor)
    page = alias_repository().history(caller.tenant_id, project, model, alias, asked)
    if not (page.items or cursor):
        raise NotFoundError(f"model {model} never had an alias {alias}")
    return answer(listing(api, caller, page, AliasMoveView.of))


def _require_policy_right(caller: Caller, project: str) -> None:
    """Who decides what versions are compared with decides what the project's policy asks of them."""
    try:
        require_right_in_project(api, caller, project, "putRegistryPolicy")
    except PolicyDeniedError as denied:
        raise PolicyDeniedError(
            "the project's registry policy compares versions with the champion: who moves or deletes it by hand needs "
            "the right to change that policy",
            reason=denied.reason,
            policies=denied.policies,
            remedy="Promote a rollout, which the champion follows; or ask somebody who may change the policy.",
        ) from denied


lambda_handler = serve(api)
