"""HTTP APIs: the resolver that every API function uses, and what its requests and answers have in common."""

import re
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar
from uuid import uuid4

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from controlplane.errors import HeadraceError, InvalidRequestError
from controlplane.events import correlated
from controlplane.identifiers import now
from controlplane.requests import MAX_PAGE_SIZE, IdempotentRequest, Page, PageRequest, digest
from controlplane.runtime.caller import Caller, PlatformCaller
from controlplane.runtime.cursors import open_cursor, seal_cursor
from controlplane.runtime.observability import logger
from controlplane.runtime.problems import PROBLEM_JSON, invalid_request, problem, problem_of
from controlplane.runtime.wiring import tables

BASE = "/api/v1"
CORRELATION_HEADER = "X-Correlation-Id"
IDEMPOTENCY_LIFETIME = timedelta(hours=24)

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="At most so many items")]
Cursor = Annotated[str, Query(max_length=1000, description="`next` of the page before")]

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ETAG = re.compile(r'(?:W/)?"(\d{1,15})"')


class Listing(BaseModel, Generic[T]):
    """One page of a list; `next` is the cursor of the page after, null on the last."""

    items: list[T]
    next: str | None = None


def create_api() -> APIGatewayHttpResolver:
    """A resolver that validates requests and answers every refusal with problem details."""
    api = APIGatewayHttpResolver(enable_validation=True)

    @api.exception_handler(HeadraceError)  # type: ignore[untyped-decorator]
    def refuse(error: HeadraceError) -> Response[str]:
        logger.info("request refused", extra={"error_code": error.code})
        return problem_of(error)

    @api.exception_handler(RequestValidationError)  # type: ignore[untyped-decorator]
    def refuse_invalid(error: RequestValidationError) -> Response[str]:
        return invalid_request(error.errors())

    @api.exception_handler(UnicodeDecodeError)  # type: ignore[untyped-decorator]
    def refuse_undecodable(_: UnicodeDecodeError) -> Response[str]:
        return problem_of(
            InvalidRequestError("the body is not UTF-8", remedy="Send JSON in UTF-8.")
        )

    @api.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def fail(error: Exception) -> Response[str]:
        logger.exception("request failed", exc_info=error)
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal_error",
            "something went wrong on our side",
            remedy=f"Try again; if it happens again, report the {CORRELATION_HEADER} of this answer.",
        )

    @api.not_found
    def refuse_unknown(_: Exception) -> Response[str]:
        return problem(HTTPStatus.NOT_FOUND, "not_found", "there is no such operation")

    return api


def serve(
    api: APIGatewayHttpResolver,
) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
    """The Lambda handler of an API: every event, log line and answer carries the correlation id."""

    def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        given = headers.get(CORRELATION_HEADER.lower(), "")
        correlation_id = given if _CORRELATION_ID.fullmatch(given) else str(uuid4())
        tables.forget_tenant()
        logger.clear_state()
        logger.append_keys(correlation_id=correlation_id, request_id=context.aws_request_id)
        with correlated(correlation_id):
            is_readable = not event.get("body") or _is_json(headers.get("content-type", ""))
            answer = api.resolve(event, context) if is_readable else _unsupported_media_type()
        answer.setdefault("headers", {})[CORRELATION_HEADER] = correlation_id
        answer["body"] = answer.get("body") or ""  # gateways differ in what they make of null
        return answer

    return lambda_handler


def _is_json(content_type: str) -> bool:
    """Whether a body can be JSON; one without a type is taken for it."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in ("", "application/json") or media_type.endswith("+json")


def _unsupported_media_type() -> dict[str, Any]:
    """Answered before the body is parsed: what curl sends by default is a form, and a form is no JSON."""
    refused = problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "the body is of a media type that the API does not take",
        remedy="Send JSON, with the header Content-Type: application/json.",
    )
    return {
        "statusCode": refused.status_code,
        "headers": {"Content-Type": PROBLEM_JSON},
        "body": refused.body,
        "isBase64Encoded": False,
    }


def answer(
    body: T, *, status: HTTPStatus = HTTPStatus.OK, etag: int | None = None, location: str = ""
) -> Response[T]:
    """A JSON answer, with the resource's ETag and, for what was created, its Location."""
    headers: dict[str, str | list[str]] = {}
    if etag is not None:
        headers["ETag"] = f'"{etag}"'
    if location:
        headers["Location"] = location
    return Response(
        status_code=status.value, content_type="application/json", body=body, headers=headers
    )


def no_content() -> Response[None]:
    return Response(status_code=HTTPStatus.NO_CONTENT.value)


def if_match(api: APIGatewayHttpResolver) -> int | None:
    """The version that `If-Match` demands; None when any will do. A tag that is not ours matches nothing."""
    tag = api.current_event.headers.get("if-match")
    if tag is None or tag.strip() == "*":
        return None
    ours = _ETAG.fullmatch(tag.strip())
    return int(ours.group(1)) if ours else -1


def idempotent_request(
    api: APIGatewayHttpResolver, caller: Caller | PlatformCaller, body: BaseModel | None
) -> IdempotentRequest | None:
    """What the client's `Idempotency-Key` stands for: tenant, principal, operation and body. None without one.

    Raises InvalidRequestError for a key that is no printable ASCII of at most 255 characters.
    """
    event = api.current_event
    key = event.headers.get("idempotency-key")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidRequestError(
            "Idempotency-Key must be 1 to 255 printable ASCII characters",
            remedy="Send a UUID.",
        )
    operation = f"{event.http_method} {event.path}"
    return IdempotentRequest(
        key_digest=digest(caller.tenant_id, caller.subject, operation, key),
        body_digest=digest(body.model_dump_json() if body else ""),
        expires_at=now() + IDEMPOTENCY_LIFETIME,
    )


def page_request(
    api: APIGatewayHttpResolver, caller: Caller | PlatformCaller, limit: int, cursor: str
) -> PageRequest:
    """Raises InvalidRequestError for a cursor of another tenant or list."""
    if not cursor:
        return PageRequest(limit)
    listing = api.current_event.path
    return PageRequest(limit, open_cursor(tables.cursor_key(), caller.tenant_id, listing, cursor))


def listing(
    api: APIGatewayHttpResolver,
    caller: Caller | PlatformCaller,
    page: Page[Any],
    view: Callable[[Any], T],
) -> Listing[T]:
    """A page as callers see it, with the sealed cursor of the next."""
    after = page.next_after
    path = api.current_event.path
    sealed = seal_cursor(tables.cursor_key(), caller.tenant_id, path, after) if after else None
    return Listing(items=[view(item) for item in page.items], next=sealed)
