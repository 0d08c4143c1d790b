"""A real Envoy and a real Prometheus for tests, where there are any, and the models that answer behind them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import requests

from tests.ports import free_port
from tests.waiting import eventually

HOST = "127.0.0.1"
START_SECONDS = 30.0


def find_program(name: str) -> str | None:
    """Beside the interpreter, as wheels put it, or on the path."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else shutil.which(name)


@contextmanager
def running(command: list[str], ready_url: str, log: Path) -> Iterator[None]:
    """The process, from the moment that it says it is ready until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:

        def is_ready() -> bool:
            assert process.poll() is None, log.read_text()[-2000:]
            try:
                return requests.get(ready_url, timeout=1).ok
            except requests.ConnectionError:
                return False

        eventually(is_ready, f"{command[0]} is ready", START_SECONDS)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Model:
    """A server that answers each request with the next status that it is told to; 200 without any left."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = model.statuses.pop(0) if model.statuses else 200
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def envoy_config(
    clusters: Mapping[str, int], routes: list[dict[str, Any]], port: int, admin_port: int
) -> dict[str, Any]:
    """A static configuration: clusters by their name and the port of their one endpoint."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager"
        ".v3.HttpConnectionManager",
        "stat_prefix": "http-10080",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        },
    }
    return {
        "admin": {"address": _address(admin_port)},
        "static_resources": {
            "listeners": [
                {
                    "name": "gateway",
                    "address": _address(port),
                    "filter_chains": [
                        {"filters": [{"name": "manager", "typed_config": manager}]},
                    ],
                }
            ],
            "clusters": [
                {
                    "name": name,
                    "connect_timeout": "1s",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": name,
                        "endpoints": [
                            {"lb_endpoints": [{"endpoint": {"address": _address(endpoint)}}]}
                        ],
                    },
                }
                for name, endpoint in clusters.items()
            ],
        },
    }


@contextmanager
def running_envoy(
    program: str, folder: Path, clusters: Mapping[str, int], routes: list[dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Where it takes requests, and where it tells its metrics."""
    port, admin = free_port(), free_port()
    file = folder / "envoy.json"
    file.write_text(json.dumps(envoy_config(clusters, routes, port, admin)))
    command = [program, "-c", str(file), "--concurrency", "1", "--disable-hot-restart"]
    with running(command, f"http://{HOST}:{admin}/ready", folder / "envoy.log"):
        yield f"http://{HOST}:{port}", f"http://{HOST}:{admin}/stats/prometheus"


@contextmanager
def running_prometheus(
    program: str, folder: Path, jobs: Mapping[str, str], labels: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """Its URL; it reads `<host>:<port><path>` of each job every second, and gives its series the job's labels."""
    port = free_port()
    scrapes = []
    for job, target in jobs.items():
        address, _, path = target.removeprefix("http://").partition("/")
        scrapes.append(
            {
                "job_name": job,
                "metrics_path": f"/{path}",
                "static_configs": [{"targets": [address], "labels": dict(labels.get(job, {}))}],
            }
        )
    file = folder / "prometheus.yml"
    # JSON is YAML.
    file.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": scrapes}))
    command = [
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={HOST}:{port}",
    ]
    with running(command, f"http://{HOST}:{port}/-/ready", folder / "prometheus.log"):
        yield f"http://{HOST}:{port}"


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": HOST, "port_value": port}}
