"""A fresh container for every test: settings from the environment, wiring that knows nothing yet, AWS by moto."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from controlplane import identifiers
from controlplane.runtime import settings, wiring
from controlplane.runtime.observability import logger
from tests.functions.api_calls import Api
from tests.functions.cloud import ACCESS, Clients, Cloud, create_cloud, running_moto
from tests.functions.scenario import Scenario
from tests.functions.wire import Wire, running_wire

SetClock = Callable[[timedelta], None]


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
def cloud(clients: Clients, cursor_secret: str, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The AWS side of one test; functions that are called from now on know no other."""
    made = create_cloud(clients, cursor_secret)
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_DYNAMODB", "CLUSTER_NAME", "CLUSTER_SECRET_ARN"):
        monkeypatch.delenv(name, raising=False)
    forget_wiring()
    return made


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


@dataclass(frozen=True)
class Log:
    """What the functions logged, as text and line by line."""

    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    """The functions' log, which would go to CloudWatch."""
    handler: Any = logger.registered_handler
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield Log(stream)
    if before is not None:
        handler.setStream(before)


def forget_wiring() -> None:
    """As a new Lambda container: nothing is cached.

    Only botocore's session stays, which holds the description of the services and the test's one identity.
    """
    for module in (wiring, settings):
        for name, made in vars(module).items():
            if hasattr(made, "cache_clear") and name != "_session":
                made.cache_clear()


__all__ = ["ACCESS", "Log", "SetClock"]
