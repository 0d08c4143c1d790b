"""Real processes: started, found ready, found dead, stopped with all that they started."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.process_identity import started_at
from local.processes import ProcessError, Processes, Service
from local.settings import free_ports
from tests.waiting import eventually

SERVER = """
import http.server, signal, subprocess, sys
port, stubborn = int(sys.argv[1]), sys.argv[2:]
if stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path, tmp_path)
    yield found
    found.stop("server", grace=0.5)


@pytest.fixture
def service() -> Service:
    return _service(SERVER)


def _service(code: str, *arguments: str) -> Service:
    port = free_ports()["cloud"]
    return Service(
        name="server",
        command=(sys.executable, "-c", code, str(port), *arguments),
        ready_url=f"http://127.0.0.1:{port}/",
        deadline=10,
    )


def _child(processes: Processes) -> int:
    return int(processes.log("server").read_text().split()[1])


def test_a_started_process_answers_and_is_kept(processes: Processes, service: Service) -> None:
    pid = processes.start(service)
    processes.wait_ready(service)

    record = processes.running("server")
    assert record is not None
    assert record.pid == pid
    assert processes.is_current(service)
    assert os.getpgid(pid) == pid


def test_another_command_line_makes_a_running_process_outdated(
    processes: Processes, service: Service
) -> None:
    processes.start(service)
    processes.wait_ready(service)

    assert not processes.is_current(replace(service, environment=(("A", "b"),)))


def test_stopping_ends_the_whole_group(processes: Processes, service: Service) -> None:
    pid = processes.start(service)
    processes.wait_ready(service)
    child = _child(processes)

    assert processes.stop("server")
    assert started_at(pid) is None
    eventually(lambda: started_at(child) is None, "the child is gone", 5)
    assert processes.running("server") is None
    assert not processes.stop("server")


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(processes: Processes) -> None:
    service = _service(SERVER, "stubborn")
    pid = processes.start(service)
    processes.wait_ready(service)
    begun = time.monotonic()
    processes.stop("server", grace=0.3)

    assert started_at(pid) is None
    assert time.monotonic() - begun >= 0.3


def test_a_process_that_ends_while_starting_is_noticed_with_its_log(processes: Processes) -> None:
    service = replace(_service("raise SystemExit('the disk is full')"), deadline=30)
    begun = time.monotonic()
    processes.start(service)

    with pytest.raises(ProcessError, match=r"ended while starting(.|\n)*the disk is full"):
        processes.wait_ready(service)
    assert time.monotonic() - begun < 10


def test_a_process_that_never_answers_is_given_up_at_its_deadline(processes: Processes) -> None:
    service = replace(_service("import time; time.sleep(60)"), deadline=0.3)
    processes.start(service)

    with pytest.raises(ProcessError, match=r"did not answer .* within 0 s"):
        processes.wait_ready(service)


def test_an_answer_of_another_program_is_not_taken_for_the_processs_own(
    processes: Processes, service: Service, tmp_path: Path
) -> None:
    processes.start(service)
    processes.wait_ready(service)
    other = Processes(tmp_path / "other", tmp_path)
    other.start(service)  # cannot bind the port, which answers all the same
    eventually(lambda: other.running(service.name) is None, "the process is gone", 5)

    with pytest.raises(ProcessError, match="ended while starting"):
        other.wait_ready(service)


def test_a_killed_process_is_not_running(processes: Processes, service: Service) -> None:
    pid = processes.start(service)
    processes.wait_ready(service)
    os.killpg(pid, signal.SIGKILL)
    eventually(lambda: processes.running("server") is None, "the process is gone", 5)

    assert not processes.is_current(service)


def test_a_number_given_to_another_program_since_is_never_signalled(
    processes: Processes, service: Service, tmp_path: Path
) -> None:
    processes.start(service)
    record = tmp_path / "run" / "server.json"
    saved = json.loads(record.read_text())
    processes.stop("server")
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleep, start_new_session=True) as stranger:
        record.write_text(json.dumps(saved | {"pid": stranger.pid}))

        assert processes.running("server") is None
        assert not processes.stop("server")
        assert stranger.poll() is None
        stranger.kill()
