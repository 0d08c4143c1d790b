"""A real API server, a real S3 and the controller, each on ports of its own."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import boto3
import requests
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from moto.server import ThreadedMotoServer
from urllib3.exceptions import HTTPError

from local.kserve_controller.runtimes import SKLEARN_SERVER
from local.kserve_controller.survivors import end_survivors
from tests.local.kserve_controller.samples import NAMESPACE
from tests.local.kserve_controller.schema import assert_conforms
from tests.local.serving.trained_models import PROJECT, environment_without_bytecode_ban
from tests.ports import free_port
from tests.waiting import eventually

CLOUD_PYTHON = PROJECT / ".venvs/cloud/bin/python"
SERVING_PYTHON = PROJECT / ".venvs/serving/bin/python"
REGION = "eu-central-1"
BUCKET = f"models-{os.getpid()}"  # servers are told from those of other runs by it
RESOURCE = ("serving.kserve.io", "v1beta1", NAMESPACE, "inferenceservices")
ROUTES = ("gateway.networking.k8s.io", "v1", NAMESPACE, "httproutes")
SERVER_SECONDS = 120.0
T = TypeVar("T")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "embedded", "AWS_SECRET_ACCESS_KEY": "embedded"}


@dataclass
class Program:
    """A program of the embedded cluster, run as `make up` runs it."""

    arguments: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [CLOUD_PYTHON, "-m", *self.arguments],
                cwd=PROJECT,
                env={**environment_without_bytecode_ban(), **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @contextmanager
    def held_still(self) -> Iterator[None]:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)


class EmbeddedCluster:
    """Handles for the tests."""

    def __init__(self, folder: Path, endpoint_url: str, *options: str) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.state = folder / "controller"
        self.kubeconfig = folder / "kubeconfig"
        self.health_port = free_port()
        self.api = Program(
            [
                *("local.kubernetes_api", "--port", str(free_port())),
                *("--state-dir", str(folder / "api"), "--kubeconfig", str(self.kubeconfig)),
            ],
            folder / "api.log",
        )
        self.controller = Program(
            [
                *("local.kserve_controller", "--kubeconfig", str(self.kubeconfig)),
                *("--state-dir", str(self.state), "--log-dir", str(self.logs)),
                *("--serving-python", str(SERVING_PYTHON), "--aws-region", REGION),
                *("--aws-endpoint-url", endpoint_url, "--health-port", str(self.health_port)),
                *("--restart-backoff", "0.5", "--restart-limit", "5", "--drain-seconds", "1"),
                *("--scale-period", "1", "--scale-settle", "2", *options),
            ],
            folder / "controller.log",
            CREDENTIALS,
        )
        self.s3 = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=REGION,
            aws_access_key_id="embedded",
            aws_secret_access_key="embedded",
        )

    def start(self) -> None:
        self.api.start()
        eventually(self._connects, "the API server to answer")
        self.core.create_namespace({"metadata": {"name": NAMESPACE}})
        location: Any = {"LocationConstraint": REGION}
        # Moto keeps its buckets for as long as the process lives, whichever of its servers made them.
        with suppress(self.s3.exceptions.BucketAlreadyOwnedByYou):
            self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
        self.start_controller()

    def start_controller(self) -> None:
        self.controller.start()
        eventually(self.controller_is_healthy, f"the controller, see {self.controller.log}")

    def controller_is_healthy(self) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{self.health_port}/healthz", timeout=5).ok
        return False

    def close(self) -> None:
        self.controller.end()
        self.api.end()
        end_survivors(self.state / "servers", grace_seconds=1)

    def apply(self, manifest: dict[str, Any]) -> None:
        """Create, or change with a merge patch."""
        try:
            self.custom.create_namespaced_custom_object(*RESOURCE, manifest)
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            self.patch(manifest["metadata"]["name"], manifest)

    def patch(self, name: str, patch: dict[str, Any]) -> None:
        self.custom.patch_namespaced_custom_object(
            *RESOURCE, name, patch, _content_type="application/merge-patch+json"
        )

    def delete(self, name: str) -> None:
        self.custom.delete_namespaced_custom_object(*RESOURCE, name)

    def status(self, name: str) -> dict[str, Any]:
        """The status as it is now, checked against KServe's schema."""
        found = self.custom.get_namespaced_custom_object(*RESOURCE, name)
        status: dict[str, Any] = found.get("status") or {}
        assert_conforms(status)
        return status

    def ready(self, name: str) -> bool:
        return condition(self.status(name), "Ready") == "True"

    def wait_until_ready(self, name: str) -> None:
        eventually(
            lambda: self.ready(name), f"{name} to be ready; logs: {self.logs}", SERVER_SECONDS
        )

    def wait_for_transition(self, name: str, transition: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            model_status: dict[str, Any] = self.status(name).get("modelStatus") or {}
            return model_status if model_status.get("transitionStatus") == transition else None

        return eventually(look, f"{name} to be {transition}; logs: {self.logs}", 60)

    def ports(self, name: str) -> list[int]:
        """The ports of the ready endpoints of a predictor's Service, as the gateway finds them."""
        slices = self.discovery.list_namespaced_endpoint_slice(
            NAMESPACE, label_selector=f"kubernetes.io/service-name={name}-predictor"
        ).items
        return [
            each.ports[0].port
            for each in slices
            for endpoint in each.endpoints
            if endpoint.conditions.ready
        ]

    def route_of(self, name: str) -> dict[str, Any]:
        """The HTTPRoute of a service, once it is there."""

        def look() -> dict[str, Any] | None:
            routes = self.custom.list_namespaced_custom_object(*ROUTES)["items"]
            return next((each for each in routes if each["metadata"]["name"] == name), None)

        return eventually(look, f"a route of {name}", 60)

    def accept_route(self, name: str, parent: dict[str, Any]) -> None:
        """Tell the route what a gateway would."""
        accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
        accepted["lastTransitionTime"] = "2026-01-01T00:00:00Z"
        parents = [
            {"parentRef": parent, "controllerName": "example.com/test", "conditions": [accepted]}
        ]
        self.custom.patch_namespaced_custom_object_status(
            *ROUTES,
            name,
            {"status": {"parents": parents}},
            _content_type="application/merge-patch+json",
        )

    def deployment(self, name: str) -> Any:
        """The Deployment of a service."""
        return self.apps.read_namespaced_deployment(f"{name}-predictor", NAMESPACE)

    def counts(self, name: str) -> tuple[int, int, int, int] | None:
        """What a Deployment is to have, has, has ready and has available; None until it is told."""
        found = self.deployment(name)
        status = found.status
        if status is None or status.observed_generation != found.metadata.generation:
            return None
        return (
            found.spec.replicas,
            status.updated_replicas or 0,
            status.ready_replicas or 0,
            status.available_replicas or 0,
        )

    def pods(self, name: str) -> list[Any]:
        selector = f"serving.kserve.io/inferenceservice={name}"
        return list(self.core.list_namespaced_pod(NAMESPACE, label_selector=selector).items)

    def create_runtime(self, name: str) -> None:
        """A ServingRuntime of the namespace, like the one that is shipped."""
        self.custom.create_namespaced_custom_object(
            "serving.kserve.io",
            "v1alpha1",
            NAMESPACE,
            "servingruntimes",
            SKLEARN_SERVER | {"kind": "ServingRuntime", "metadata": {"name": name}},
        )

    def exists(self, kind: str, name: str) -> bool:
        read = {
            "Deployment": self.apps.read_namespaced_deployment,
            "Service": self.core.read_namespaced_service,
        }[kind]
        try:
            read(name, NAMESPACE)
        except ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def servers_of(self, model_uri: str) -> list[int]:
        """The process ids of the servers of one model."""
        marker = f"--model_dir={model_uri}"
        return [pid for pid, arguments in _processes() if marker in arguments]

    def only_server_of(self, model_uri: str) -> int:
        """The server of a model, once those that are on their way out have ended."""

        def look() -> list[int] | None:
            found = self.servers_of(model_uri)
            return found if len(found) == 1 else None

        return eventually(look, f"one server of {model_uri}")[0]

    def _connects(self) -> bool:
        if not self.kubeconfig.exists():
            return False
        settings = client.Configuration()
        config.load_kube_config(str(self.kubeconfig), client_configuration=settings)
        connection = client.ApiClient(settings)
        self.core = client.CoreV1Api(connection)
        self.apps = client.AppsV1Api(connection)
        self.custom = client.CustomObjectsApi(connection)
        self.discovery = client.DiscoveryV1Api(connection)
        return self.api_answers()

    def api_answers(self) -> bool:
        try:
            self.core.list_namespace(_request_timeout=2)
        except (ApiException, HTTPError):
            return False
        return True


def in_time(look: Callable[[], T | None], what: str) -> T:
    """`eventually`, for what waits for model servers: on a busy machine each takes many seconds."""
    return eventually(look, what, SERVER_SECONDS)


def uri(model: str) -> str:
    """Where a model lies that the fixtures have uploaded."""
    return f"s3://{BUCKET}/{model}"


def condition(status: dict[str, Any], kind: str) -> str | None:
    found = [each for each in status.get("conditions") or [] if each["type"] == kind]
    return found[0]["status"] if found else None


def _processes() -> Iterator[tuple[int, list[str]]]:
    """The id and the arguments of every process, as the operating system knows them."""
    if not Path("/proc/self").exists():
        listing = subprocess.run(
            ["/bin/ps", "-Ao", "pid=,args="], capture_output=True, text=True, check=True
        )
        for line in listing.stdout.splitlines():
            pid, *arguments = line.split()
            yield int(pid), arguments
        return
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), Path(entry.path, "cmdline").read_text().split("\0")


@contextmanager
def running_cluster(folder: Path, *options: str) -> Iterator[EmbeddedCluster]:
    """`options` are the controller's, in place of those that it has here."""
    storage = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    storage.start()
    host, port = storage.get_host_and_port()
    cluster = EmbeddedCluster(folder, f"http://{host}:{port}", *options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()
        storage.stop()
