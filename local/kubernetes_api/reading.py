"""The reading side: get, list with its pages, and watch, as JSON or as a Table."""

import base64
import json
import random
from typing import Any

from aiohttp import web

from local.kubernetes_api import watching
from local.kubernetes_api.errors import Json, bad_request, expired
from local.kubernetes_api.operations import Operations
from local.kubernetes_api.printing import table
from local.kubernetes_api.requests import is_true, number, wants_table
from local.kubernetes_api.resources import Resource
from local.kubernetes_api.selectors import selection
from local.kubernetes_api.storage import key_of
from local.kubernetes_api.targets import Target


def one(request: web.Request, target: Target, obj: Json, status: int = 200) -> web.Response:
    """A single object in the representation that the request wants."""
    obj = Operations.as_version(target.resource, obj)
    if wants_table(request):
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        obj = table(target.resource, [obj], metadata, _included(request), head=True)
    return web.json_response(obj, status=status)


def _included(request: web.Request) -> str:
    return str(request.query.get("includeObject", "Metadata"))


def listed(request: web.Request, operations: Operations, target: Target) -> web.Response:
    """A list, a page of it when `limit` says so. A token goes on in the list as it was at the first page."""
    store, resource = operations.store, target.resource
    newest = store.version
    if request.query.get("resourceVersionMatch") == "Exact":
        newest = number(request, "resourceVersion") or newest
    version, start = _continued(request.query.get("continue", ""), newest)
    found = store.find_at(version, resource.storage, target.namespace)
    matches = selection(
        request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    )
    items = [obj for obj in found if matches(obj) and (not start or list(key_of(obj)) > start)]
    metadata: Json = {"resourceVersion": str(version)}
    limit = number(request, "limit")
    if limit and len(items) > limit:
        last = {"v": version, "after": list(key_of(items[limit - 1]))}
        metadata["continue"] = base64.urlsafe_b64encode(json.dumps(last).encode()).decode()
        metadata["remainingItemCount"] = len(items) - limit
        items = items[:limit]
    items = [operations.as_version(resource, obj) for obj in items]
    if wants_table(request):
        return web.json_response(table(resource, items, metadata, _included(request), head=True))
    kind = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
    return web.json_response({**kind, "metadata": metadata, "items": items})


def _continued(token: str, newest: int) -> tuple[int, list[str]]:
    if not token:
        return newest, []
    try:
        position = json.loads(base64.urlsafe_b64decode(token))
        version, after = int(position["v"]), [str(part) for part in position["after"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise bad_request("continue key is not valid: start the list again without it") from problem
    if version > newest:
        raise expired("the provided continue parameter is from another life of this server")
    return version, after


async def watch(request: web.Request, operations: Operations, target: Target) -> web.StreamResponse:
    """Stream events, one JSON object a line."""
    wanted = _watch_request(request, operations, target)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    as_table, head = wants_table(request), True
    async for event in watching.events(operations.store, wanted):
        shown = event
        if event["type"] != "ERROR":
            shown = _presented(request, target.resource, event, as_table=as_table, head=head)
            head = False
        await response.write(json.dumps(shown).encode() + b"\n")
    await response.write_eof()
    return response


def _presented(
    request: web.Request, resource: Resource, event: Json, *, as_table: bool, head: bool
) -> Json:
    obj = Operations.as_version(resource, event["object"])
    if as_table:
        metadata = {"resourceVersion": obj["metadata"]["resourceVersion"]}
        rows: list[Any] = [] if event["type"] == "BOOKMARK" else [obj]
        obj = table(resource, rows, metadata, _included(request), head=head)
    return {**event, "object": obj}


def _watch_request(
    request: web.Request, operations: Operations, target: Target
) -> watching.WatchRequest:
    since = number(request, "resourceVersion")
    initial = is_true(request, "sendInitialEvents")
    bookmarks = is_true(request, "allowWatchBookmarks")
    if since is not None and since > operations.store.version:
        raise expired(f"resourceVersion {since} is from the future of this server")
    fields = request.query.get("fieldSelector", "")
    if target.name:
        fields = ",".join(filter(None, (fields, f"metadata.name={target.name}")))
    seconds = number(request, "timeoutSeconds") or random.randint(1800, 3600)
    return watching.WatchRequest(
        target.resource,
        target.namespace,
        selection(request.query.get("labelSelector", ""), fields),
        None if initial or not since else since,
        seconds,
        bookmarks,
        initial and bookmarks,
    )
