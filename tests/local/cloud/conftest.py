from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import services
from local.deploy.clients import EmbeddedCloud
from local.processes import Processes
from local.settings import PROJECT, Settings, load
from tests.local.cloud.deployed import Account


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load(tmp_path_factory.mktemp("cloud") / "state", "auto", environment={})


@pytest.fixture(scope="session")
def cloud(settings: Settings) -> Iterator[EmbeddedCloud]:
    """One embedded cloud for all tests: each makes resources of its own in it."""
    processes = Processes(settings.state, PROJECT)
    service = services.cloud(settings)
    processes.start(service)
    try:
        processes.wait_ready(service)
        yield EmbeddedCloud(settings.endpoint)
    finally:
        processes.stop(service.name)


@pytest.fixture
def account(cloud: EmbeddedCloud) -> Account:
    return Account(cloud)


@pytest.fixture
def layer_cache(settings: Settings) -> Callable[[], list[Path]]:
    return lambda: sorted((settings.state / "cloud" / "layers").iterdir())
