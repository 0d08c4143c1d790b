"""The stack that all tests share: started once for the whole session, gone when it ends.

With `pytest -n 2 --dist loadgroup` the tests that use it are one group, so that one worker alone starts it.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from local.demo.training import Training, train
from tests.stack.project import Project
from tests.stack.running import RunningStack

NewProject = Callable[..., Project]
USERS_OF_THE_STACK = ("tests/stack/", "tests/demo/", "tests/statemachines/")
# They build the same layers and assemblies.
BUILDERS = ("tests/infrastructure/", "tests/local/bench/")


class StackScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests that use the stack go to one worker, those that build layers too, others file by file.

    Marks do not tell them apart: xdist 3.8 hands them over in a way that pytest 9.2 ignores.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(USERS_OF_THE_STACK):
            return "stack"
        return "builders" if nodeid.startswith(BUILDERS) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> StackScheduling | None:
    is_grouped = config.getvalue("dist") == "loadgroup"
    return StackScheduling(config, log) if is_grouped else None


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    running = RunningStack(tmp_path_factory.mktemp("stack") / "state")
    try:
        running.up()
        yield running
    finally:
        running.discard()


@pytest.fixture(scope="session")
def training(stack: RunningStack) -> Training:
    """The demo's two models with the rows held out from both."""
    return train(stack.settings)


@pytest.fixture
def new_project(stack: RunningStack) -> NewProject:
    """Creates projects, each with a name of its own: `new_project("prefix", tenant="globex")`.

    A tenant may have 50 of them, which all tests of a session share.
    """

    def create(prefix: str = "p", tenant: str = "acme") -> Project:
        project = Project(stack, tenant, stack.name(prefix))
        answer = project.caller.call("POST", "/projects", {"name": project.name})
        assert answer.status == HTTPStatus.CREATED, answer
        return project

    return create
