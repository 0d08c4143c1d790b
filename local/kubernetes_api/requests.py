"""What a request says: its body, its options, which representation it wants."""

import json
from typing import Any

import yaml
from aiohttp import web

from local.kubernetes_api import protobuf
from local.kubernetes_api.authentication import User
from local.kubernetes_api.errors import Json, bad_request, unsupported_media_type
from local.kubernetes_api.operations import APPLY
from local.kubernetes_api.targets import WriteOptions

USER = web.RequestKey("user", User)  # who asks: the impersonated user where there is one
_YAML = frozenset({"application/yaml", "text/yaml", "application/x-yaml", APPLY})


async def read_body(request: web.Request) -> Any:
    """The decoded body, None when there is none; 400 for nonsense, 415 for what is not understood."""
    content = await request.read()
    if not content:
        return None
    media_type = request.content_type
    if media_type == "application/octet-stream" or media_type.endswith("json"):
        return _json(content)
    if media_type in _YAML:
        try:
            return yaml.load(content, Loader=_Loader)  # noqa: S506 - derived from the safe loader
        except yaml.YAMLError as problem:
            raise bad_request(f"the body is not YAML: {problem}") from problem
    if media_type == protobuf.MEDIA_TYPE:
        return protobuf.decode(content)
    raise unsupported_media_type(
        f"the body of the request was in an unknown format ({media_type}): send JSON or YAML"
    )


class _Loader(yaml.SafeLoader):
    """YAML without dates: a timestamp stays the text that Kubernetes means."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as problem:
        raise bad_request(f"the body is not JSON: {problem}") from problem


async def read_object(request: web.Request) -> Json:
    """The body as an object; 400 for anything else."""
    body = await read_body(request)
    if not isinstance(body, dict):
        raise bad_request("the body of the request must be an object")
    return body


async def read_delete_options(request: web.Request) -> Json:
    """DeleteOptions from the body, the query winning, as an API server reads them."""
    body = await read_body(request)
    options: Json = body if isinstance(body, dict) else {}
    if options.get("orphanDependents"):
        options["propagationPolicy"] = "Orphan"
    if policy := request.query.get("propagationPolicy"):
        options["propagationPolicy"] = policy
    if options.get("propagationPolicy") not in (None, "Background", "Foreground", "Orphan"):
        raise bad_request(f"invalid propagationPolicy {options['propagationPolicy']!r}")
    return options


def write_options(request: web.Request, dry_run: Any = None) -> WriteOptions:
    """Options of the query; the manager's name falls back on the User-Agent's first word."""
    wanted = request.query.getall("dryRun", []) or dry_run or []
    if wanted not in ([], ["All"]):
        raise bad_request(f"invalid dryRun {wanted}: the only value is All")
    agent = request.headers.get("User-Agent", "").partition("/")[0].strip()
    return WriteOptions(
        request.query.get("fieldManager") or agent or "unknown",
        bool(wanted),
        is_true(request, "force"),
        user=request[USER],
    )


def is_true(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in ("true", "1")


def number(request: web.Request, name: str) -> int | None:
    """A whole number of the query, None when it is absent; 400 otherwise."""
    text = request.query.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise bad_request(f"invalid {name} {text!r}: must be a whole number")
    return int(text)


def wants_table(request: web.Request) -> bool:
    """Whether the first representation that is understood is a Table."""
    for choice in request.headers.get("Accept", "").split(","):
        parts = [part.strip() for part in choice.split(";")]
        if "as=Table" in parts and "v=v1" in parts and parts[0] == "application/json":
            return True
        if parts[0] in ("application/json", "*/*") and not any(p.startswith("as=") for p in parts):
            return False
    return False
