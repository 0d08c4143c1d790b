"""The stack that all tests share: started once for the whole session, gone when it ends.

Tests that use it form one xdist group, so that with `--dist loadgroup` one worker alone starts it.
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest

from local.demo.training import Training, train
from tests.stack.project import Project
from tests.stack.running import RunningStack

NewProject = Callable[..., Project]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and "stack" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("stack"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    running = RunningStack(tmp_path_factory.mktemp("stack") / "state")
    try:
        running.up()
        yield running
    finally:
        running.down()


@pytest.fixture(scope="session")
def training(stack: RunningStack) -> Training:
    """The demo's two models with the rows held out from both."""
    return train(stack.settings)


@pytest.fixture
def new_project(stack: RunningStack) -> NewProject:
    """Creates projects, each with a name of its own: `new_project("prefix", tenant="globex")`."""

    def create(prefix: str = "p", tenant: str = "acme") -> Project:
        project = Project(stack, tenant, stack.name(prefix))
        answer = project.caller.call("POST", "/projects", {"name": project.name})
        assert answer.status == HTTPStatus.CREATED, answer
        return project

    return create
