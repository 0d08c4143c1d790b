"""The proxy: takes a request, asks the routing table, lets an exchange carry it out, accounts.

A request holds on to the table and the endpoint it began with, so changes never touch what is in
flight. The gateway retries nothing. Its HTTP client alone sends a request with an idempotent
method (never a POST or PATCH) and an unread body once more when a kept-alive connection turns out
to be closed: an idle connection may close at any moment, which is nobody's failure.
"""

import asyncio
from random import Random
from time import perf_counter

import aiohttp
from aiohttp import web

from local.gateway.access_log import AccessLog
from local.gateway.backends import Backend
from local.gateway.exchange import Exchange
from local.gateway.filters import Redirect
from local.gateway.forwarding import JoinedHeaders, Target, parse_target
from local.gateway.hostnames import host_of
from local.gateway.matching import Request
from local.gateway.metrics import GatewayMetrics
from local.gateway.mirrors import Mirrors
from local.gateway.records import CLIENT_CLOSED_REQUEST, RequestRecord
from local.gateway.refusals import RequestRefusedError
from local.gateway.route_rules import RouteRule
from local.gateway.routing_table import Entry, RoutingTable

# Shorter than model servers keep an idle connection (uvicorn: 5 s), so that a POST, which is never
# sent twice, does not meet a connection that is just being closed.
KEEP_ALIVE_SECONDS = 2.0
CONNECT_SECONDS = 5.0


def new_session() -> aiohttp.ClientSession:
    """Return the session for backends: pooled connections without a limit, nothing interpreted."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
    )


class Proxy:
    """Answers every request of the gateway's port."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        metrics: GatewayMetrics,
        access_log: AccessLog,
        random: Random,
        port: int,
    ) -> None:
        self.table: RoutingTable | None = None
        self.mirrors = Mirrors(session, metrics, random)
        self._session = session
        self._metrics = metrics
        self._access_log = access_log
        self._random = random
        self._port = port

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request and account for it."""
        started = perf_counter()
        record = RequestRecord(
            method=request.method,
            correlation_id=request.headers.get("X-Correlation-Id", "")[:128],
        )
        try:
            return await self._answer(request, record)
        except RequestRefusedError as refusal:
            record.status, record.reason = refusal.status, refusal.reason
            return refusal.response()
        except asyncio.CancelledError:
            record.status = CLIENT_CLOSED_REQUEST
            raise
        finally:
            seconds = perf_counter() - started
            self._metrics.answered(record.labels, record.status, seconds)
            self._access_log.write(record, seconds)

    async def _answer(self, request: web.BaseRequest, record: RequestRecord) -> web.StreamResponse:
        target = parse_target(request.raw_path)
        if target is None:
            raise RequestRefusedError(400, "NoPath", "The request target has no path.")
        record.path = target.path
        entry = self._find(request, target)
        rule = entry.rule
        record.namespace, record.route = rule.route
        if rule.problem is not None:
            raise RequestRefusedError(500, rule.problem.reason, rule.problem.message)
        if rule.filters.redirect is not None:
            record.status = rule.filters.redirect.status
            return self._redirect(rule.filters.redirect, request, target, entry)
        backend = self._choose(rule)
        record.backend, record.revision = backend.label, backend.revision
        if backend.problem is not None:
            raise RequestRefusedError(500, backend.problem.reason, backend.problem.message)
        exchange = Exchange(request, target, entry, backend, record)
        with self._metrics.in_flight(record.labels):
            return await exchange.run(self._session, self.mirrors)

    def _find(self, request: web.BaseRequest, target: Target) -> Entry:
        if self.table is None:
            raise RequestRefusedError(
                503, "NotReady", "The gateway has not yet read its routes; try again shortly."
            )
        asked = Request(
            method=request.method,
            host=host_of(request.headers.get("Host", "")),
            path=target.path,
            query=target.query,
            headers=JoinedHeaders(request.headers),
        )
        entry = self.table.find(asked)
        if entry is None:
            raise RequestRefusedError(404, "NoRoute", f"No route takes {target.path}")
        return entry

    def _choose(self, rule: RouteRule) -> Backend:
        backend = rule.choose_backend(self._random)
        if backend is None:
            raise RequestRefusedError(
                500, "NoBackend", f"Route {'/'.join(rule.route)} gives weight to no backend."
            )
        return backend

    def _redirect(
        self, redirect: Redirect, request: web.BaseRequest, target: Target, entry: Entry
    ) -> web.Response:
        location = redirect.location(
            scheme="http",
            host=host_of(request.headers.get("Host", "")),
            port=self._port,
            path=target.path,
            query=target.query,
            matched_prefix=entry.match.path,
        )
        return web.Response(status=redirect.status, headers={"Location": location})
