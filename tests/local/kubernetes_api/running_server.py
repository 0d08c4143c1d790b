"""A real server process and raw HTTP to it."""

import base64
import functools
import json
import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kubernetes
import yaml

from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venvs/cloud/bin/python"
DEADLINE = 15.0  # seconds a condition may take on a busy machine
Json = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Answer:
    """Status code and decoded body."""

    code: int
    body: Any

    @property
    def rv(self) -> int:
        return int(self.body["metadata"]["resourceVersion"])


@dataclass
class RunningServer:
    """One server process on its own port and state directory."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def command(self) -> list[str]:
        command = [str(PYTHON), "-m", "local.kubernetes_api", "--port", str(self.port)]
        command += ["--state-dir", str(self.state), "--kubeconfig", str(self.kubeconfig)]
        return [*command, *self.options]

    def start(self) -> "RunningServer":
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        eventually(self._is_ready, f"the server answers; its log: {self.log}")
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return self.kubeconfig.exists() and self.call("GET", "/readyz", token="").code == 200
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    @functools.cached_property
    def _config(self) -> Json:
        config: Json = yaml.safe_load(self.kubeconfig.read_text())
        return config

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        ca = self._config["clusters"][0]["cluster"]["certificate-authority-data"]
        return ssl.create_default_context(cadata=base64.b64decode(ca).decode())

    @property
    def token(self) -> str:
        return str(self._config["users"][0]["user"]["token"])

    def open(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        media: str = "application/json",
        accept: str = "application/json",
        token: str | None = None,
        act_as: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The open response of a request; HTTPError for refusals. `act_as` is a user to impersonate."""
        headers = {"Content-Type": media, "Accept": accept, "User-Agent": "tester/1"} | {
            **(headers or {}),
            **({"Impersonate-User": act_as} if act_as else {}),
        }
        if bearer := self.token if token is None else token:
            headers["Authorization"] = f"Bearer {bearer}"
        data = body.encode() if isinstance(body, str) else None
        data = json.dumps(body).encode() if data is None and body is not None else data
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", data, headers, method=method
        )
        return urllib.request.urlopen(  # noqa: S310 - the address is ours
            request, timeout=DEADLINE, context=self._tls
        )

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        try:
            with self.open(method, path, body, **options) as response:
                return Answer(response.status, _decoded(response.read()))
        except urllib.error.HTTPError as refusal:
            return Answer(refusal.code, _decoded(refusal.read()))

    def watch(self, path: str) -> Iterator[Json]:
        """The events of a watch, until the server ends it."""
        with self.open("GET", path) as response:
            for line in response:
                yield json.loads(line)

    def client(self) -> kubernetes.client.ApiClient:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(self.kubeconfig), client_configuration=configuration)
        return kubernetes.client.ApiClient(configuration)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode()
