"""A proxy between functions and AWS that writes down every call, and can hold or answer some."""

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local.settings import HOST

Json = dict[str, Any]
_SCOPE = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/")
_ISSUED = re.compile(rb"<AccessKeyId>\s*([^<\s]+)\s*<")
_ATTEMPT = re.compile(r"attempt=(\d+)")
_HOP = frozenset(
    {"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"}
)


@dataclass
class Call:
    """One request to AWS: the service, its action, and the request as data.

    `access_key` is whose signature the request bears, `path` the address below the endpoint.
    `items_read` is what a DynamoDB query looked at, which is what it costs; 0 for everything else.
    `answered` is False while nothing has come back, and for a caller that has given up waiting.
    `issued` is the access key of the credentials with which STS answered.
    `attempt` is above 1 for what an SDK sends again because it heard nothing in time, or an error.
    """

    service: str
    action: str
    body: Json
    access_key: str = ""
    path: str = ""
    items_read: int = 0
    answered: bool = False
    issued: str = ""
    attempt: int = 1

    @property
    def name(self) -> str:
        return self.action if self.service == "dynamodb" else f"{self.service}:{self.action}"


Hook = Callable[[Call], tuple[int, Json] | None]


@dataclass
class Wire:
    """What went over the wire; `before` may answer a call itself by returning a status and a body."""

    url: str
    calls: list[Call] = field(default_factory=list)
    before: Hook | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> list[str]:
        return [call.name for call in self.calls]

    @contextmanager
    def recording(self) -> Iterator[list[Call]]:
        """The calls that are made inside. What an SDK sends again is the same call: a busy machine adds none."""
        start = len(self.calls)
        seen: list[Call] = []
        yield seen
        seen += [call for call in self.calls[start:] if call.attempt == 1]


@contextmanager
def running_wire(upstream: str) -> Iterator[Wire]:
    """A proxy in front of an AWS endpoint such as `http://127.0.0.1:5000`, in threads of this process."""
    target = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = _call_of(self.command, self.path, self.headers, body)
            wire.calls.append(call)
            made_up = wire.before(call) if wire.before else None
            if made_up is not None:
                status, content = made_up
                kind = {"Content-Type": "application/x-amz-json-1.0"}
                self._answer(call, status, kind, json.dumps(content).encode())
                return
            # DynamoDB's transactions are serialisable; moto's, which roll back a copy, are only one by one.
            with wire.lock:
                connection = http.client.HTTPConnection(target, timeout=30)
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                content_bytes = answer.read()
                connection.close()
            if call.action == "Query" and answer.status == http.client.OK:
                call.items_read = json.loads(content_bytes)["ScannedCount"]
            if issued := _ISSUED.search(content_bytes) if call.service == "sts" else None:
                call.issued = issued.group(1).decode()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(call, answer.status, kept, content_bytes, length)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_request  # noqa: N815 - the server's names

        def _answer(
            self,
            call: Call,
            status: int,
            headers: dict[str, str],
            content: bytes,
            length: str | None = None,
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(content)))
            try:
                call.answered = True  # before the caller can go on
                self.end_headers()
                self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                call.answered = False
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's
            """Callers read the calls, nobody reads a log."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    wire = Wire(f"http://{HOST}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield wire
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _call_of(method: str, path: str, headers: Any, body: bytes) -> Call:
    scope = _SCOPE.search(headers.get("Authorization") or "")
    access_key, service = scope.groups() if scope else ("", "unsigned")
    target = headers.get("X-Amz-Target")
    if target:
        action, content = target.rpartition(".")[2], json.loads(body or b"{}")
    elif headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        content = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        action = content["Action"]
    else:
        action, content = method, {}
    attempt = _ATTEMPT.search(headers.get("amz-sdk-request") or "")
    made = Call(service, action, content, access_key, path)
    return replace(made, attempt=int(attempt[1])) if attempt else made
