"""The HTTP side: authentication, errors and the way from a request to an operation."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web

from local.kubernetes_api import discovery, reading, scale
from local.kubernetes_api.admission import Admission
from local.kubernetes_api.authentication import SYSTEM, Authenticator
from local.kubernetes_api.authorization import Authorizer
from local.kubernetes_api.built_in_kinds import REVIEWS
from local.kubernetes_api.credentials import Credentials
from local.kubernetes_api.default_roles import default_roles
from local.kubernetes_api.errors import (
    Json,
    StatusError,
    method_not_allowed,
    not_found,
    page_not_found,
    unauthorized,
)
from local.kubernetes_api.garbage_collection import GarbageCollector
from local.kubernetes_api.impersonation import impersonated
from local.kubernetes_api.operations import Operations
from local.kubernetes_api.outlines import outlines
from local.kubernetes_api.requests import (
    USER,
    is_true,
    read_body,
    read_delete_options,
    read_object,
    write_options,
)
from local.kubernetes_api.resource_table import ResourceTable
from local.kubernetes_api.resources import DEFINITIONS
from local.kubernetes_api.reviews import Reviews
from local.kubernetes_api.routes import attributes_of, target_of
from local.kubernetes_api.selectors import selection
from local.kubernetes_api.storage import Store
from local.kubernetes_api.targets import Target, WriteOptions

LARGEST_BODY = 3 * 1024 * 1024  # bytes, what an API server takes at most
_OPEN = frozenset({"/healthz", "/livez", "/readyz", "/version"})
Answer = Awaitable[web.StreamResponse]
Next = Callable[[web.Request], Answer]


class Server:
    """One API server: its store, its resources and the answers to every request."""

    def __init__(self, state: Path, credentials: Credentials, history: int) -> None:
        self.store = Store(state / "objects.sqlite", history)
        self._table = ResourceTable()
        self._collector = GarbageCollector()
        self._authorizer = Authorizer(self.store)
        admission = Admission(self.store, self._authorizer)
        self.operations = Operations(self.store, self._table, admission, self._collector.wake)
        self._authenticator = Authenticator(
            credentials.admin_token, credentials.signing_key, self._account
        )
        self._reviews = Reviews(self._authenticator, self._authorizer)

    def _account(self, namespace: str, name: str) -> Json | None:
        return self.store.get("/serviceaccounts", namespace, name)

    def application(self) -> web.Application:
        app = web.Application(
            middlewares=[_middleware(self._refusals), _middleware(self._access)],
            client_max_size=LARGEST_BODY,
        )
        app.cleanup_ctx.append(self._life)
        app.on_shutdown.append(self._end_watches)
        for path in _OPEN - {"/version"}:
            app.router.add_get(path, self._ready)
        app.router.add_get("/version", self._version)
        app.router.add_get("/api", self._core_versions)
        app.router.add_get("/apis", self._groups)
        app.router.add_get("/apis/{group}", self._group)
        app.router.add_get("/api/{version}", self._resources)
        app.router.add_get("/apis/{group}/{version}", self._resources)
        app.router.add_get("/openapi/v2", self._swagger)
        app.router.add_get("/openapi/v3", self._open_api)
        app.router.add_get("/openapi/v3/api/{version}", self._open_api_document)
        app.router.add_get("/openapi/v3/apis/{group}/{version}", self._open_api_document)
        app.router.add_route("*", "/api/{version}/{path:.+}", self._object)
        app.router.add_route("*", "/apis/{group}/{version}/{path:.+}", self._object)
        return app

    async def _life(self, _: web.Application) -> AsyncIterator[None]:
        for definition in self.store.find(DEFINITIONS):
            self._table.define(definition)
        self._seed()
        task = asyncio.create_task(self._collector.run(self.operations))
        self._collector.wake()
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self.store.close()

    async def _end_watches(self, _: web.Application) -> None:
        self.store.end_watches()

    def _seed(self) -> None:
        names = ("default", "kube-system", "kube-public")
        wanted = [("namespaces", {"metadata": {"name": name}}) for name in names]
        wanted += [("customresourcedefinitions", each) for each in outlines()]
        for plural, body in (*wanted, *default_roles()):
            resource = next(r for r in self._table if r.plural == plural)
            if not self.store.get(resource.storage, "", body["metadata"]["name"]):
                options = WriteOptions("kube-apiserver", user=SYSTEM)
                self.operations.create(Target(resource), body, options)

    async def _refusals(self, request: web.Request, handler: Next) -> web.StreamResponse:
        try:
            return await handler(request)
        except StatusError as refusal:
            return web.json_response(refusal.body(), status=refusal.code)
        except web.HTTPException as refusal:
            error = page_not_found() if refusal.status == 404 else None
            error = error or StatusError(refusal.status, refusal.reason, refusal.reason)
            return web.json_response(error.body(), status=refusal.status)

    async def _access(self, request: web.Request, handler: Next) -> web.StreamResponse:
        """Who asks, as whom, and whether that one may."""
        if request.path not in _OPEN:
            user = self._authenticator.from_header(request.headers.get("Authorization", ""))
            if user is None:
                raise unauthorized()
            request[USER] = user = impersonated(request.headers.items(), user, self._authorizer)
            self._authorizer.require(user, attributes_of(request))
        return await handler(request)

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response(discovery.VERSION)

    async def _core_versions(self, _: web.Request) -> web.Response:
        return web.json_response(discovery.core_versions())

    async def _groups(self, _: web.Request) -> web.Response:
        return web.json_response(discovery.group_list(self._table))

    async def _group(self, request: web.Request) -> web.Response:
        return _found(discovery.one_group(self._table, request.match_info["group"]))

    async def _resources(self, request: web.Request) -> web.Response:
        group, version = request.match_info.get("group", ""), request.match_info["version"]
        return _found(discovery.resource_list(self._table, group, version))

    async def _swagger(self, _: web.Request) -> web.Response:
        return web.json_response(discovery.swagger())

    async def _open_api(self, _: web.Request) -> web.Response:
        return web.json_response(discovery.open_api_index(self._table))

    async def _open_api_document(self, request: web.Request) -> web.Response:
        group, version = request.match_info.get("group", ""), request.match_info["version"]
        return _found(discovery.open_api_document(self._table, group, version))

    async def _object(self, request: web.Request) -> web.StreamResponse:
        """Any request for a resource; its method and path choose the operation."""
        target = target_of(self._table, request.path)
        if target.resource in REVIEWS:
            return await self._review(request, target)
        if target.subresource == "token":
            return await self._token(request, target)
        if target.subresource == "scale":
            return await scale.answer(request, self.operations, target)
        answer = self._methods(bool(target.name)).get(request.method)
        if answer is None:
            raise method_not_allowed()
        return await answer(request, target)

    def _methods(self, named: bool) -> dict[str, Callable[[web.Request, Target], Answer]]:
        if named:
            return {
                "GET": self._read,
                "PUT": self._update,
                "PATCH": self._patch,
                "DELETE": self._delete,
            }
        return {"GET": self._read, "POST": self._create, "DELETE": self._delete_collection}

    async def _read(self, request: web.Request, target: Target) -> web.StreamResponse:
        if is_true(request, "watch"):
            return await reading.watch(request, self.operations, target)
        if target.name:
            return reading.one(request, target, self.operations.get(target))
        return reading.listed(request, self.operations, target)

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.resource.namespaced and not target.namespace:
            raise method_not_allowed()
        body = await read_object(request)
        created = self.operations.create(target, body, write_options(request))
        return reading.one(request, target, created, 201)

    async def _update(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await read_object(request)
        updated = self.operations.update(target, body, write_options(request))
        return reading.one(request, target, updated)

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        patch = await read_body(request)
        known = self.store.get(target.resource.storage, target.namespace, target.name)
        patched = self.operations.patch(target, request.content_type, patch, write_options(request))
        return reading.one(request, target, patched, 200 if known else 201)

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        if target.subresource:
            raise method_not_allowed()
        chosen = await read_delete_options(request)
        options = write_options(request, chosen.get("dryRun"))
        last, gone = self.operations.delete(target, chosen, options)
        if not gone:
            return reading.one(request, target, last)
        resource = target.resource
        details = {"name": target.name, "kind": resource.plural, "uid": last["metadata"]["uid"]}
        group = {"group": resource.group} if resource.group else {}
        status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        return web.json_response({**status, "details": {**details, **group}})

    async def _delete_collection(self, request: web.Request, target: Target) -> web.StreamResponse:
        chosen = await read_delete_options(request)
        options = write_options(request, chosen.get("dryRun"))
        resource = target.resource
        if resource.namespaced and not target.namespace:
            raise method_not_allowed()
        matches = selection(
            request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
        )
        found = [o for o in self.store.find(resource.storage, target.namespace) if matches(o)]
        for obj in found:
            one = Target(resource, target.namespace, obj["metadata"]["name"])
            self.operations.delete(one, chosen, options)
        kind = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
        metadata = {"resourceVersion": str(self.store.version)}
        return web.json_response({**kind, "metadata": metadata, "items": found})

    async def _token(self, request: web.Request, target: Target) -> web.Response:
        if request.method != "POST":
            raise method_not_allowed()
        account = self._account(target.namespace, target.name)
        if account is None:
            raise not_found("serviceaccounts", target.name)
        asked = await read_body(request)
        answer = self._authenticator.issue(account, asked if isinstance(asked, dict) else {})
        return web.json_response(answer, status=201)

    async def _review(self, request: web.Request, target: Target) -> web.Response:
        if request.method != "POST" or target.name:
            raise method_not_allowed()
        if target.resource.namespaced and not target.namespace:
            raise method_not_allowed()
        answer = self._reviews.answer(request[USER], target, await read_object(request))
        return web.json_response(answer, status=201)


def _middleware(method: Callable[[web.Request, Next], Answer]) -> Callable[..., Answer]:
    """The method as aiohttp marks middlewares; the mark does not stick to a bound method itself."""
    marked: Callable[..., Answer] = web.middleware(functools.partial(method))
    return marked


def _found(body: Json | None) -> web.Response:
    if body is None:
        raise page_not_found()
    return web.json_response(body)
