"""A real embedded Kubernetes API and a real gateway for the tests, as processes."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, new_client_from_config
from urllib3.exceptions import HTTPError

from tests.ports import free_port
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venvs/cloud/bin/python"
GROUP = {"group": "gateway.networking.k8s.io", "version": "v1"}
DEADLINE_SECONDS = 15.0


class ServerProcess:
    """One of our servers: started, waited for, stopped by SIGTERM."""

    def __init__(self, module: str, arguments: list[str], log: Path) -> None:
        self._command = [str(PYTHON), "-m", module, *arguments]
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def terminate(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        assert self._process is not None
        try:
            return self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def stop(self) -> int:
        self.terminate()
        return self.wait()


class Cluster:
    """The Kubernetes API as a user of it sees it."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self._port = free_port()
        arguments = ["--port", str(self._port), "--state-dir", str(folder / "state")]
        arguments += ["--kubeconfig", str(self.kubeconfig)]
        self.process = ServerProcess("local.kubernetes_api", arguments, folder / "api.log")

    def start(self) -> None:
        self.process.start()
        eventually(self._answers, f"the Kubernetes API answers; see {self.process.log}")

    def _answers(self) -> bool:
        try:
            self._connect()
            self.core.list_namespace(_request_timeout=2)
        except (ApiException, ConfigException, HTTPError, OSError):
            return False
        return True

    def _connect(self) -> None:
        api = new_client_from_config(str(self.kubeconfig))
        api.configuration.retries = False
        self.core = client.CoreV1Api(api)
        self.discovery = client.DiscoveryV1Api(api)
        self.custom = client.CustomObjectsApi(api)

    def namespace(self, name: str) -> None:
        self.core.create_namespace({"metadata": {"name": name}})

    def service(self, namespace: str, name: str, *ports: int, ready: bool = True) -> None:
        """Make a Service on port 80, whose endpoints listen on `ports`."""
        body = {"metadata": {"name": name}, "spec": {"ports": [{"name": "http", "port": 80}]}}
        self.core.create_namespaced_service(namespace, body)
        for index, port in enumerate(ports):
            self.discovery.create_namespaced_endpoint_slice(
                namespace,
                {
                    "metadata": {
                        "name": f"{name}-{index}",
                        "labels": {"kubernetes.io/service-name": name},
                    },
                    "addressType": "IPv4",
                    "ports": [{"name": "http", "port": port}],
                    "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}],
                },
            )

    def create_route(self, namespace: str, name: str, spec: dict[str, Any]) -> None:
        self.custom.create_namespaced_custom_object(
            **GROUP,
            namespace=namespace,
            plural="httproutes",
            body={
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": {"name": name},
                "spec": spec,
            },
        )

    def route(self, namespace: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.custom.get_namespaced_custom_object(
            **GROUP, namespace=namespace, plural="httproutes", name=name
        )
        return found

    def patch_route(self, namespace: str, name: str, operations: list[dict[str, Any]]) -> None:
        self.custom.patch_namespaced_custom_object(
            **GROUP, namespace=namespace, plural="httproutes", name=name, body=operations,
            _content_type="application/json-patch+json",
        )  # fmt: skip

    def conditions(self, namespace: str, name: str) -> dict[str, tuple[str, str]] | None:
        """Return {type: (status, reason)} once they speak of the newest generation."""
        try:
            found = self.route(namespace, name)
        except ApiException:
            return None
        parents = (found.get("status") or {}).get("parents") or []
        listed = [condition for parent in parents for condition in parent["conditions"]]
        generation = found["metadata"]["generation"]
        if not listed or any(c["observedGeneration"] != generation for c in listed):
            return None
        return {c["type"]: (c["status"], c["reason"]) for c in listed}


class RunningGateway:
    """A gateway process and its two ports."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        name: str = "headrace",
        kubeconfig: Path | None = None,
    ) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.parent = {"namespace": "headrace-system", "name": name}
        arguments = ["--kubeconfig", str(kubeconfig or cluster.kubeconfig)]
        arguments += ["--port", str(self.port)]
        arguments += ["--metrics-port", str(self.metrics_port), "--seed", "7"]
        arguments += ["--gateway", f"headrace-system/{name}"]
        self.process = ServerProcess("local.gateway", arguments, folder / f"gateway-{name}.log")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process.start()
        eventually(self.is_ready, f"the gateway is ready; see {self.process.log}")

    def is_ready(self) -> bool:
        try:
            return self.operations("/readyz") == "ok\n"
        except OSError:
            return False

    def operations(self, path: str) -> str:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5
        ) as answer:
            return str(answer.read().decode())

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of all series of a metric that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [x for x in self.operations("/metrics").splitlines() if x.startswith(name)]
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if all(w in line for w in wanted)
        )

    def backends(self, route: str) -> dict[str, list[str]]:
        """Return {service: endpoints} as programmed for a route."""
        routes = json.loads(self.operations("/routes"))["routes"]
        return {
            backend["service"]: backend["endpoints"]
            for found in routes
            if found["name"] == route
            for rule in found["rules"]
            for backend in rule["backends"]
        }

    def log_lines(self) -> list[dict[str, Any]]:
        lines = self.process.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]
