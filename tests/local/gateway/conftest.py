"""One Kubernetes API, one gateway and one thread of backends for all tests of the gateway."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.local.gateway.backends import Backend, Handler, Loop
from tests.local.gateway.cluster import Cluster, RunningGateway


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("kubernetes"))
    running.start()
    running.namespace("tenant-acme")
    running.namespace("tenant-globex")
    yield running
    running.process.stop()


@pytest.fixture(scope="session")
def gateway(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    running = RunningGateway(cluster, tmp_path_factory.mktemp("gateway"))
    running.start()
    yield running
    running.process.stop()


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def backend(loop: Loop) -> Iterator[Callable[..., Backend]]:
    with ExitStack() as stack:

        def start(name: str, behaviour: Handler | None = None) -> Backend:
            made = Backend(loop, name, behaviour)
            stack.callback(made.close)
            return made

        yield start
