"""One request on its way to one endpoint and its answer on the way back, both streamed."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from local.gateway.backends import Backend
from local.gateway.forwarding import Target, response_headers, rule_request
from local.gateway.mirrors import MirroredRequest, Mirrors
from local.gateway.records import CLIENT_CLOSED_REQUEST, RequestRecord
from local.gateway.refusals import (
    RequestRefusedError,
    bad_answer,
    connection_failed,
    no_endpoint,
    timed_out,
)
from local.gateway.routing_table import Entry


@dataclass(slots=True)
class Exchange:
    """A request and all that was decided for it; what becomes of it goes into `record`."""

    request: web.BaseRequest
    target: Target
    entry: Entry
    backend: Backend
    record: RequestRecord

    async def run(self, session: aiohttp.ClientSession, mirrors: Mirrors) -> web.StreamResponse:
        """Forward the request and stream the answer; raise RequestRefusedError without one.

        When the answer breaks off midway the caller's connection is cut, so that a part is never
        taken for the whole.
        """
        endpoint = self.backend.next_endpoint()
        if endpoint is None:
            raise no_endpoint(self.backend.label)
        self.record.endpoint = endpoint
        label, seconds = self.backend.label, self.entry.rule.timeout
        response = web.StreamResponse()
        try:
            async with asyncio.timeout(seconds):
                return await self._forward(session, mirrors, response)
        except (aiohttp.ClientConnectionError, ConnectionError):
            # Before TimeoutError: a connection that takes too long to open is both.
            return self._broken(response, connection_failed(label))
        except TimeoutError:
            return self._broken(response, timed_out(label, seconds))
        except (aiohttp.ClientError, ValueError):
            return self._broken(response, bad_answer(label))

    async def _forward(
        self, session: aiohttp.ClientSession, mirrors: Mirrors, response: web.StreamResponse
    ) -> web.StreamResponse:
        request = self.request
        text, headers = rule_request(
            self.entry,
            self.target,
            request.headers,
            request.remote or "",
            request.headers.get("Host", ""),
        )
        copy = mirrors.begin(self.entry.rule, request.method, text, headers)
        if self.backend.filters.request_headers is not None:
            self.backend.filters.request_headers.apply(headers)
        try:
            async with session.request(
                request.method,
                URL(self.record.endpoint + text, encoded=True),
                headers=headers,
                data=await self._body(copy),
                allow_redirects=False,
            ) as upstream:
                await self._stream(upstream, response)
        finally:
            if copy is not None:
                copy.close()
        return response

    async def _body(self, copy: MirroredRequest | None) -> Any:
        request = self.request
        if not request.body_exists:
            if copy is not None:
                copy.send()
            return None
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            # It is no part of the answer whose size this counts.
            request.writer.output_size = 0
        return request.content if copy is None else copy.copy(request.content)

    async def _stream(self, upstream: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        self.record.status = upstream.status
        response.set_status(upstream.status, upstream.reason)
        response.headers.extend(response_headers(self.entry, self.backend, upstream.headers))
        await response.prepare(self.request)
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
            self.record.sent_bytes += len(chunk)
        await response.write_eof()

    def _broken(
        self, response: web.StreamResponse, refusal: RequestRefusedError
    ) -> web.StreamResponse:
        transport = self.request.transport
        if transport is None or transport.is_closing():
            self.record.status = CLIENT_CLOSED_REQUEST
            return response
        if not response.prepared:
            raise refusal
        self.record.status, self.record.reason = refusal.status, refusal.reason
        transport.abort()
        return response
