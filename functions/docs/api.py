"""HTTP API: the OpenAPI document, and Swagger UI to read and try it; both from files."""

from functools import cache
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.types import (
    OpenAPIResponse,
    OpenAPIResponseContentSchema,
)

from controlplane.runtime.http import BASE, create_api, serve

DOCUMENT = Path(__file__).with_name("openapi.json")
PAGE = Path(__file__).with_name("swagger.html")
# Powertools carries the built files of Swagger UI.
SWAGGER = Path(str(files("aws_lambda_powertools.event_handler.openapi.swagger_ui")))
CACHED = {"Cache-Control": "public, max-age=3600"}

api = create_api()


def _described(content_type: str, json_type: str = "string") -> dict[int, OpenAPIResponse]:
    """How the document describes an answer that is a file."""
    content: OpenAPIResponseContentSchema = {"schema": {"type": json_type}}
    return {200: {"description": "The file", "content": {content_type: content}}}


@cache
def _content(file: Path) -> str:
    return file.read_text()


def _answer(file: Path, content_type: str) -> Response[str]:
    return Response(
        status_code=HTTPStatus.OK.value,
        content_type=content_type,
        body=_content(file),
        headers=CACHED,
    )


@api.get(
    f"{BASE}/openapi.json",
    operation_id="getOpenapi",
    summary="This API as OpenAPI 3.1",
    tags=["docs"],
    responses=_described("application/json", "object"),
    openapi_extensions={"x-open": True},
)
def get_openapi() -> Response[str]:
    return _answer(DOCUMENT, "application/json")


@api.get(
    f"{BASE}/docs",
    operation_id="getDocs",
    summary="This API, to read and try",
    tags=["docs"],
    responses=_described("text/html"),
    openapi_extensions={"x-open": True},
)
def get_docs() -> Response[str]:
    return _answer(PAGE, "text/html")


@api.get(
    f"{BASE}/docs/swagger-ui.js",
    operation_id="getDocsScript",
    summary="Swagger UI's script",
    tags=["docs"],
    responses=_described("text/javascript"),
    openapi_extensions={"x-open": True},
)
def get_script() -> Response[str]:
    return _answer(SWAGGER / "swagger-ui-bundle.min.js", "text/javascript")


@api.get(
    f"{BASE}/docs/swagger-ui.css",
    operation_id="getDocsStyles",
    summary="Swagger UI's styles",
    tags=["docs"],
    responses=_described("text/css"),
    openapi_extensions={"x-open": True},
)
def get_styles() -> Response[str]:
    return _answer(SWAGGER / "swagger-ui.min.css", "text/css")


lambda_handler = serve(api)
