"""How a refusal looks over HTTP: RFC 9457 problem details, and the status of each of our errors."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response

from controlplane import errors

PROBLEM_JSON = "application/problem+json"

# The one place that maps errors to HTTP: the first class in an error's ancestry that is listed here decides.
STATUS_OF: dict[type[errors.HeadraceError], HTTPStatus] = {
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.PreconditionFailedError: HTTPStatus.PRECONDITION_FAILED,
    errors.InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.LimitExceededError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    errors.ForbiddenError: HTTPStatus.FORBIDDEN,
    errors.ThrottledError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.HeadraceError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
RETRY_AFTER_SECONDS = {
    HTTPStatus.TOO_MANY_REQUESTS: "1",
    HTTPStatus.SERVICE_UNAVAILABLE: "5",
}


def status_of(error: errors.HeadraceError) -> HTTPStatus:
    return next(STATUS_OF[cls] for cls in type(error).__mro__ if cls in STATUS_OF)


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    remedy: str | None = None,
    faults: Sequence[dict[str, Any]] | None = None,
    **more: Any,
) -> Response[str]:
    """A problem document; `code` is stable, `faults` name the fields of an invalid request, `more` are members."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
    }
    if remedy:
        document["remedy"] = remedy
    if faults:
        document["errors"] = list(faults)
    document |= {name: value for name, value in more.items() if value}
    headers: dict[str, str | list[str]] = {}
    if status in RETRY_AFTER_SECONDS:
        headers["Retry-After"] = RETRY_AFTER_SECONDS[status]
    return Response(
        status_code=status.value,
        content_type=PROBLEM_JSON,
        body=json.dumps(document),
        headers=headers,
    )


def problem_of(error: errors.HeadraceError) -> Response[str]:
    more: dict[str, Any] = {}
    if isinstance(error, errors.PolicyDeniedError):
        more = {"reason": error.reason, "policies": list(error.policies)}
    if isinstance(error, errors.InvalidPolicyError):
        more = {"faults": [{"field": "body.text", "problem": fault} for fault in error.faults]}
    return problem(status_of(error), error.code, str(error), remedy=error.remedy, **more)


def invalid_request(faults: Sequence[Any]) -> Response[str]:
    """422 for a request that does not fit its schema; values are not repeated, they may be secrets."""
    shown = [
        {"field": ".".join(str(part) for part in fault["loc"]), "problem": str(fault["msg"])}
        for fault in faults
    ]
    detail = "; ".join(f"{fault['field']}: {fault['problem']}" for fault in shown)
    return problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        errors.InvalidRequestError.code,
        detail or "the request does not fit its schema",
        faults=shown,
    )
