"""A fresh container for every test: settings from the environment, wiring that knows nothing yet, AWS by moto."""

import io
import itertools
import logging
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from controlplane import identifiers
from controlplane.runtime.observability import logger
from local.bench.wire import Wire, running_wire
from tests.functions.api_calls import Api
from tests.functions.cloud import Clients, Cloud, create_cloud, running_moto
from tests.functions.cluster import Cluster, cluster_secret, store_secret
from tests.functions.container import Log, SetClock, forget_wiring
from tests.functions.scenario import Scenario
from tests.functions.stage import Stage
from tests.local.kubernetes_api.running_server import RunningServer
from tests.ports import free_port

_tenants = itertools.count(1)


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with running_moto() as url:
        yield Clients(url)


@pytest.fixture(scope="session")
def cursor_secret(clients: Clients) -> str:
    made = clients.secrets.create_secret(Name="cursors", SecretString="a-secret-for-cursors")
    return str(made["ARN"])


@pytest.fixture(scope="session")
def session_wire(clients: Clients) -> Iterator[Wire]:
    with running_wire(clients.url) as wire:
        yield wire


@pytest.fixture
def cloud(clients: Clients, cursor_secret: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """The AWS side of one test; functions that are called from now on know no other."""
    made = create_cloud(clients, cursor_secret)
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_DYNAMODB", "CLUSTER_NAME", "CLUSTER_SECRET_ARN"):
        monkeypatch.delenv(name, raising=False)
    forget_wiring()
    yield made
    # Moto copies every table there is for each transaction.
    clients.dynamodb.delete_table(TableName=made.table)


@pytest.fixture
def wire(cloud: Cloud, session_wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """The functions' calls to AWS, written down."""
    session_wire.calls.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL", session_wire.url)
    forget_wiring()
    yield session_wire
    session_wire.before = None


@pytest.fixture
def call(cloud: Cloud) -> Api:
    """Calls operations of the API as a developer of acme, unless told otherwise."""
    return Api()


@pytest.fixture
def acme(call: Api, cloud: Cloud) -> Scenario:
    """acme with its project `vision`."""
    scenario = Scenario(call, cloud)
    scenario.create_project()
    return scenario


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Move the control plane's clock to so much after the real one."""
    real = identifiers.now

    def move(by: timedelta) -> None:
        def moved() -> datetime:
            return real() + by

        for name, module in list(sys.modules.items()):
            if name.startswith("controlplane.") and hasattr(module, "now"):
                monkeypatch.setattr(module, "now", moved)

    return move


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    """The functions' log, which would go to CloudWatch."""
    handler: Any = logger.registered_handler
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield Log(stream)
    if before is not None:
        handler.setStream(before)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    running = RunningServer(tmp_path_factory.mktemp("cluster"), free_port()).start()
    yield running
    assert running.stop() == 0, running.log


@pytest.fixture
def stage(call: Api, cloud: Cloud, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Stage:
    tenant = f"tenant{next(_tenants)}"
    cloud.add_tenant(tenant)
    cluster = Cluster(server, tenant)
    cluster.onboard()
    scenario = Scenario(call, cloud, tenant=tenant)
    scenario.create_project()
    for content in (b"one", b"two"):
        scenario.upload_version(content=content)
    monkeypatch.setenv("CLUSTER_SECRET_ARN", store_secret(cloud, cluster_secret(server)))
    opened = scenario.open_rollout(scenario.registered_event(1), "e1")
    return Stage(scenario, cluster, opened["rollout"])
