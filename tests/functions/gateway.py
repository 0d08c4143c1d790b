"""The API as a WSGI application, for clients that generate their own requests."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from tests.functions.api_calls import Api, Person, operations

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Hands each request to its operation's function as acme's developer; the gateway's own 404 for any other."""
    method, path = environ["REQUEST_METHOD"], quote(environ["PATH_INFO"].encode("latin-1"))
    found = next((each for each in operations() if each.matches(method, path)), None)
    if found is None:
        start_response("404 Not Found", [("Content-Type", "application/json")])
        return [b'{"message":"Not Found"}']
    query = environ.get("QUERY_STRING", "")
    answer = Api().call_as(
        None if found.is_open else Person(),
        method,
        f"{path}?{query}" if query else path,
        _body(environ),
        _headers(environ),
    )
    status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    start_response(status, list(answer.headers.items()))
    return [answer.body.encode()]


def _body(environ: dict[str, Any]) -> str | bytes | None:
    content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    if not content:
        return None
    try:
        return str(content.decode())
    except UnicodeDecodeError:
        return bytes(content)


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    named = {
        name.removeprefix("HTTP_").replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    return named | {"Content-Type": environ.get("CONTENT_TYPE", "")}
