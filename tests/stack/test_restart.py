"""`down` ends everything; `up` on the same state goes on where it was."""

import socket
from dataclasses import asdict

import requests

from local.demo.prediction import predict_v2
from local.demo.training import Training
from local.services import NAMES
from tests.stack.fixtures import NewProject
from tests.stack.process_table import alive, descendants, mentioning
from tests.stack.project import Project
from tests.stack.running import RunningStack
from tests.waiting import eventually


def test_a_stack_that_was_down_serves_again_what_it_served(
    stack: RunningStack, training: Training, new_project: NewProject
) -> None:
    project = new_project("kept")
    deployment = project.serve("digits", training.first.file.read_bytes())
    version = project.version("digits", 1)
    processes = _processes(stack)
    assert len(processes) > len(NAMES)  # functions' workers and a model server belong to it

    stack.down()

    assert alive(processes) == []
    assert mentioning(str(stack.settings.state)) == []
    assert _open_ports(stack) == []
    assert not stack.settings.stack_file.exists()

    users = stack.described["users"]
    steps = stack.up()
    assert {f"started {name}" for name in NAMES} <= set(steps)
    assert stack.described["users"] == users
    assert project.caller.get(project.path())["name"] == project.name
    assert project.version("digits", 1) == version
    assert project.deployment("digits") == deployment
    url = deployment["endpoints"]["v2"]
    with requests.Session() as session:
        eventually(lambda: _answers(session, url, training), "the model to be served again", 60)
        assert predict_v2(session, url, training.rows) == training.first.predictions
    _assert_events_go_on(project)


def test_bringing_up_what_is_up_starts_nothing(stack: RunningStack) -> None:
    before = _processes(stack)
    described = dict(stack.described)

    steps = stack.up()

    assert [step for step in steps if step.startswith(("started", "deployed"))] == []
    assert stack.described == described
    assert set(before) <= set(_processes(stack))


def _assert_events_go_on(project: Project) -> None:
    """Uploads are still announced, and the versions counted on."""
    project.inbox("digits").put("model.keras", b"a model of another kind")
    assert project.settled("digits", 2)["last_rollout"]["reason"]["code"] == "NoSupportingRuntime"


def _processes(stack: RunningStack) -> dict[int, str]:
    records = [stack.processes.running(name) for name in NAMES]
    assert all(records)
    return descendants(record.pid for record in records if record)


def _open_ports(stack: RunningStack) -> list[str]:
    found = []
    for name, port in asdict(stack.settings.ports).items():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(name)
    return found


def _answers(session: requests.Session, url: str, training: Training) -> bool:
    try:
        return bool(predict_v2(session, url, training.rows[:1]))
    except requests.RequestException:
        return False
