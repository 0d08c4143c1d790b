"""A small API server over HTTP whose controllers go one step at a time, and which fails when told to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from controlplane.adapters.kubernetes_api import ClusterAccess, KubernetesApi
from tests.scripted_cluster.kserve import KServe, Release
from tests.scripted_cluster.objects import Json, Objects, RefusedError


@dataclass
class ScriptedCluster:
    """`failing`: the next writes are answered by 503 undone. `losing`: done, and the answer is lost.

    `skipping` writes pass before either. `interrupt` is called once, before the next write is looked at. Times do not
    matter here: nothing happens but by `step`.
    """

    release: Release = field(default_factory=Release)
    failing: int = 0
    losing: int = 0
    skipping: int = 0
    interrupt: Callable[[], object] | None = None
    url: str = ""
    writes: list[tuple[str, str]] = field(default_factory=list)
    objects: Objects = field(init=False)
    kserve: KServe = field(init=False)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.objects = Objects(KServe.refusal)
        self.kserve = KServe(self.objects, self.release)

    @property
    def api(self) -> KubernetesApi:
        return KubernetesApi(ClusterAccess(self.url, "", lambda _fresh: "token"))

    def step(self) -> None:
        """Each controller looks once."""
        with self.lock:
            self.kserve.step()

    def settle(self) -> None:
        """Until nothing changes any more."""
        for _ in range(30):
            before = json.dumps(self.objects.found, sort_keys=True)
            self.step()
            if json.dumps(self.objects.found, sort_keys=True) == before:
                return
        raise AssertionError("the controllers never come to rest")

    def answer(self, method: str, target: str, kind: str, body: Any) -> tuple[int, Json] | None:
        """None: the answer is lost."""
        if method != "GET" and self.interrupt is not None:
            interrupt, self.interrupt = self.interrupt, None
            interrupt()
        with self.lock:
            parts = urlsplit(target)
            path = parts.path.lstrip("/")
            if method == "GET":
                return self._read(path, parse_qs(parts.query).get("labelSelector", [None])[0])
            fate = self._fate()
            if fate == "fail":
                return 503, {"message": "told to fail"}
            self.writes.append((method, path))
            try:
                done = self._write(method, path, kind, body)
            except RefusedError as refused:
                return refused.code, {"message": str(refused), "details": {}}
            return None if fate == "lose" else (200, done)

    def _fate(self) -> str:
        if self.skipping:
            self.skipping -= 1
            return "pass"
        if self.failing:
            self.failing -= 1
            return "fail"
        if self.losing:
            self.losing -= 1
            return "lose"
        return "pass"

    def _read(self, path: str, selector: str | None) -> tuple[int, Json]:
        if path in self.objects.found:
            return 200, self.objects.found[path]
        if selector is None:
            return 404, {"message": f"{path} not found"}
        wanted = dict(part.split("=", 1) for part in selector.split(",") if part)
        items = [
            each
            for at, each in self.objects.found.items()
            if at.startswith(f"{path}/")
            and wanted.items() <= (each["metadata"].get("labels") or {}).items()
        ]
        return 200, {"items": items}

    def _write(self, method: str, path: str, kind: str, body: Any) -> Json:
        if method == "PATCH":
            return self.objects.write(path, kind, body)
        found = self.objects.found.get(path)
        if found is None:
            raise RefusedError(404, f"{path} not found")
        for name, value in (body.get("preconditions") or {}).items():
            if found["metadata"][name] != value:
                raise RefusedError(409, f"{name} does not match")
        return self.objects.found.pop(path)


@contextmanager
def scripted_cluster(release: Release | None = None) -> Iterator[ScriptedCluster]:
    """A cluster on a port of its own, with the tenant acme's namespace."""
    cluster = ScriptedCluster(release or Release())
    cluster.objects.put("api/v1/namespaces/tenant-acme", {"metadata": {"name": "tenant-acme"}})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # an answer in two packets waits 40 ms for the first one's receipt

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length) if length else b""
            kind = self.headers.get("Content-Type", "")
            answer = cluster.answer(
                self.command, self.path, kind, json.loads(content) if content else {}
            )
            if answer is None:
                self.close_connection = True
                return
            code, body = answer
            encoded = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cluster.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
