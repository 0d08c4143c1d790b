"""A server for the session, and three ways to it: raw HTTP, the official client and kubectl."""

import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import kubernetes
import pytest

from local.kubectl import kubectl as kubectl_binary
from tests.local.kubernetes_api.access import Account, make_account
from tests.local.kubernetes_api.running_server import RunningServer
from tests.ports import free_port

Kubectl = Callable[..., str]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = RunningServer(tmp_path_factory.mktemp("kubernetes"), free_port()).start()
    yield running
    assert running.stop() == 0, running.log
    assert "Traceback" not in running.log, running.log


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that the test may kill; it keeps 40 changes."""
    running = RunningServer(tmp_path, free_port(), ("--history", "40")).start()
    yield running
    if running.process and running.process.poll() is None:
        running.stop()


@pytest.fixture
def client(server: RunningServer) -> Iterator[kubernetes.client.ApiClient]:
    with server.client() as opened:
        yield opened


@pytest.fixture
def namespace(server: RunningServer) -> str:
    """A fresh namespace; the server is thrown away with it."""
    name = f"test-{secrets.token_hex(4)}"
    assert server.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).code == 201
    return name


@pytest.fixture
def kubectl(server: RunningServer, namespace: str, tmp_path: Path) -> Kubectl:
    """Run kubectl in the test's namespace; returns what it printed, fails unless it exits with `code`."""
    environment = {"HOME": str(tmp_path), "KUBECONFIG": str(server.kubeconfig)}

    def run(*arguments: str, stdin: str = "", code: int = 0) -> str:
        command = [str(kubectl_binary()), "--namespace", namespace, *arguments]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    return run


@pytest.fixture
def config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def services(namespace: str) -> str:
    """The path of the namespace's InferenceServices."""
    return f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices"


@pytest.fixture
def routes(namespace: str) -> str:
    return f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes"


@pytest.fixture
def deployments(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments"


@pytest.fixture
def robot(server: RunningServer, namespace: str) -> Account:
    """A ServiceAccount of the test's namespace without any rights."""
    return make_account(server, namespace)
