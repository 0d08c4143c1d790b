"""Every failure that the platform names has a status of its own choosing, and says what to do."""

import json
from http import HTTPStatus

import pytest

from controlplane.errors import (
    HeadraceError,
    InvalidPolicyError,
    NotFoundError,
    PolicyDeniedError,
    RolloutFailedError,
    ThrottledError,
    UploadRejectedError,
)
from controlplane.runtime.problems import STATUS_OF, invalid_request, problem_of, status_of

STATUSES = {
    "HeadraceError": 500,
    "NotFoundError": 404,
    "ConflictError": 409,
    "AlreadyExistsError": 409,
    "InUseError": 409,
    "ImmutableError": 409,
    "SecretShownError": 409,
    "LastAdministratorError": 409,
    "RequestInFlightError": 409,
    "ConcurrentChangeError": 409,
    "ConditionFailedError": 409,
    "TransactionCancelledError": 409,
    "PreconditionFailedError": 412,
    "InvalidRequestError": 422,
    "IdempotencyKeyReusedError": 422,
    "RefusedTargetError": 422,
    "LimitExceededError": 422,
    "QuotaExceededError": 422,
    "UnauthenticatedError": 401,
    "ForbiddenError": 403,
    "MfaRequiredError": 403,
    "PolicyDeniedError": 403,
    "InvalidPolicyError": 422,
    "ThrottledError": 429,
    "UnavailableError": 503,
    "ClusterUnavailableError": 503,
    "MetricsUnavailableError": 503,
    "QueryRefusedError": 503,
    # No request meets these: tasks do, and the state machines handle them.
    "ClusterRefusedError": 500,
    "UploadRejectedError": 500,
    "RolloutFailedError": 500,
    "RolloutTimedOutError": 500,
    "RolloutNotActiveError": 500,
    "TenantWorkNotActiveError": 500,
}


def subclasses(cls: type[HeadraceError]) -> set[type[HeadraceError]]:
    return {cls}.union(*(subclasses(sub) for sub in cls.__subclasses__()))


def example(cls: type[HeadraceError]) -> HeadraceError:
    if issubclass(cls, UploadRejectedError | RolloutFailedError):
        return cls("Code", "message", remedy="Mend it.")
    return cls("message")


OURS = sorted(
    (cls for cls in subclasses(HeadraceError) if cls.__module__.startswith("controlplane.")),
    key=lambda cls: cls.__name__,
)


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_every_failure_has_the_status_that_was_decided(cls: type[HeadraceError]) -> None:
    assert status_of(example(cls)) == STATUSES[cls.__name__]


def test_no_two_unrelated_failures_share_a_code() -> None:
    declared = [cls for cls in OURS if "code" in vars(cls)]

    assert len({cls.code for cls in declared}) == len(declared)
    assert set(STATUS_OF) <= set(OURS)


def test_a_refusal_is_a_problem_document() -> None:
    answer = problem_of(NotFoundError("there is no project x", remedy="Create it."))

    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body is not None
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "not_found",
        "detail": "there is no project x",
        "remedy": "Create it.",
    }


def test_a_refusal_by_policy_has_its_reason_and_the_policies_that_may_be_told() -> None:
    told = PolicyDeniedError("no", reason="mfa_required", policies=("p-1",))
    untold = PolicyDeniedError("no", reason="mfa_required", errors=("not to be told",))

    shown, hidden = (json.loads(problem_of(error).body or "") for error in (told, untold))

    assert (shown["code"], shown["reason"]) == ("policy_denied", "mfa_required")
    assert shown["policies"] == ["p-1"]
    assert "policies" not in hidden
    assert "not to be told" not in str(hidden)


def test_an_invalid_policy_says_where() -> None:
    error = InvalidPolicyError("no", faults=("line 1, column 2: unexpected token",))

    document = json.loads(problem_of(error).body or "")

    assert document["errors"] == [
        {"field": "body.text", "problem": "line 1, column 2: unexpected token"}
    ]


def test_who_is_asked_to_wait_is_told_how_long() -> None:
    assert problem_of(ThrottledError("slow down")).headers["Retry-After"] == "1"
    assert "Retry-After" not in problem_of(NotFoundError("no")).headers


def test_an_invalid_request_names_fields_and_repeats_no_values() -> None:
    faults = [{"loc": ("body", "files", 0, "size"), "msg": "must be positive", "input": "s3cr3t"}]

    answer = invalid_request(faults)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.body is not None
    document = json.loads(answer.body)
    assert document["errors"] == [{"field": "body.files.0.size", "problem": "must be positive"}]
    assert "s3cr3t" not in answer.body
