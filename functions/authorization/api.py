"""HTTP API of a tenant's own policies: create, look up, list, change, delete, and check a text."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from pydantic import BaseModel

from controlplane.authorization.model import Policy, PolicyChange, PolicyDraft, PolicyRequest
from controlplane.authorization.restriction import change_policy, create_policy, delete_policy
from controlplane.identifiers import Name
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
from controlplane.runtime.wiring.authorization import policy_checker, policy_repository

PATH = f"{BASE}/policies"
PolicyName = Annotated[Name, Path(description="The policy's name")]

api = create_api()


class PolicyView(BaseModel):
    """A policy of the tenant; only an enabled one forbids anything."""

    name: str
    description: str
    text: str
    enabled: bool
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, policy: Policy) -> Self:
        return cls.model_validate(policy.model_dump())


class FaultView(BaseModel):
    """What is wrong with a text; line and column count from 1, null where the place is not known."""

    problem: str
    line: int | None
    column: int | None


class CheckView(BaseModel):
    """Whether a text would be accepted as a policy, and why not."""

    valid: bool
    faults: list[FaultView]


@api.post(
    PATH,
    operation_id="createPolicy",
    summary="Create a policy that forbids something in the tenant",
    tags=["policies"],
    status_code=201,
)
def post_policy(wanted: PolicyRequest) -> Response[PolicyView]:
    caller = permitted_caller(api)
    request = idempotent_request(api, caller, wanted)
    policy = create_policy(
        caller.tenant_id,
        wanted,
        caller.subject,
        request,
        policies=policy_repository(),
        checker=policy_checker(),
    )
    return answer(
        PolicyView.of(policy),
        status=HTTPStatus.CREATED,
        etag=policy.version,
        location=f"{PATH}/{policy.name}",
    )


@api.post(
    f"{PATH}/validate",
    operation_id="validatePolicy",
    summary="Check a policy's text without storing it",
    tags=["policies"],
    openapi_extensions={"x-creates-nothing": True},
)
def validate_policy(draft: PolicyDraft) -> Response[CheckView]:
    caller = permitted_caller(api)
    faults = policy_checker().faults(caller.tenant_id, draft.text)
    shown = [FaultView(problem=f.problem, line=f.line, column=f.column) for f in faults]
    return answer(CheckView(valid=not shown, faults=shown))


@api.get(
    PATH,
    operation_id="listPolicies",
    summary="List the tenant's policies by name",
    tags=["policies"],
)
def list_policies(limit: Limit = 100, cursor: Cursor = "") -> Response[Listing[PolicyView]]:
    caller = permitted_caller(api)
    page = policy_repository().list(caller.tenant_id, page_request(api, caller, limit, cursor))
    return answer(listing(api, caller, page, PolicyView.of))


@api.get(
    f"{PATH}/<policy>", operation_id="getPolicy", summary="Look a policy up", tags=["policies"]
)
def get_policy(policy: PolicyName) -> Response[PolicyView]:
    caller = permitted_caller(api)
    found = policy_repository().get(caller.tenant_id, policy)
    return answer(PolicyView.of(found), etag=found.version)


@api.patch(
    f"{PATH}/<policy>",
    operation_id="changePolicy",
    summary="Change a policy's text or description, or switch it on or off",
    tags=["policies"],
)
def patch_policy(policy: PolicyName, change: PolicyChange) -> Response[PolicyView]:
    caller = permitted_caller(api)
    changed = change_policy(
        caller.tenant_id,
        policy,
        change,
        caller.subject,
        if_match(api),
        policies=policy_repository(),
        checker=policy_checker(),
    )
    return answer(PolicyView.of(changed), etag=changed.version)


@api.delete(
    f"{PATH}/<policy>",
    operation_id="deletePolicy",
    summary="Delete a policy",
    tags=["policies"],
    status_code=204,
)
def remove_policy(policy: PolicyName) -> Response[None]:
    caller = permitted_caller(api)
    delete_policy(
        caller.tenant_id, policy, caller.subject, if_match(api), policies=policy_repository()
    )
    return no_content()


lambda_handler = serve(api)
