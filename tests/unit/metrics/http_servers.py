"""Small HTTP servers on the loopback, in the place of metric sources."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Reply:
    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class HttpServer:
    """Answers each request as `answer` says, and keeps what it received."""

    url: str
    received: list[Received] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[Received], Reply]) -> Iterator[HttpServer]:
    lock = Lock()

    class Handler(_Quiet):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, body: bytes) -> None:
            request = Received(self.command, self.path, dict(self.headers.items()), body)
            with lock:
                server.received.append(request)
            reply = answer(request)
            content = reply.body.encode() if isinstance(reply.body, str) else reply.body
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with _listening(Handler) as url:
        server = HttpServer(url)
        yield server


@contextmanager
def dripping(every: float) -> Iterator[str]:
    """The address of a server that answers one byte after the other, each after that many seconds, without an end."""
    over = Event()

    class Handler(_Quiet):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not over.wait(every):
                    self.wfile.write(b".")
                    self.wfile.flush()

    with _listening(Handler) as url:
        try:
            yield url
        finally:
            over.set()


@contextmanager
def broken_off() -> Iterator[str]:
    """The address of a server that takes every request and closes the connection without an answer."""

    class Handler(_Quiet):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.close_connection = True

    with _listening(Handler) as url:
        yield url


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nobody reads a log."""


@contextmanager
def _listening(handler: type[_Quiet]) -> Iterator[str]:
    """The address of a server on a free port, until the end of the block."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
