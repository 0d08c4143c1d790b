"""Restarts and replacements, with real processes that stand in for model servers."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.kserve_controller.pods import Pod
from local.kserve_controller.predictor import Predictor, RestartPolicy
from local.kserve_controller.processes import (
    ProcessLimits,
    ServerCommand,
    ServerProcess,
    free_port,
)
from local.kserve_controller.specification import Key, PodTemplate
from local.kserve_controller.survivors import process_identity
from tests.waiting import eventually

# A server that answers every request; one that ends at once; one that never answers.
SERVES = (
    "import http.server as h, sys\n"
    "class Handler(h.SimpleHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200); self.end_headers()\n"
    "h.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()"
)
FAILS = "import sys; print('loading', flush=True); sys.exit('cannot load it')"
HANGS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
POLICY = RestartPolicy(limit=2, backoff=0.05, drain=0.2)


class Harness:
    """Runs a predictor as the controller would: look at it whenever something may be due."""

    def __init__(self, folder: Path, policy: RestartPolicy, limits: ProcessLimits) -> None:
        self.started: list[ServerProcess] = []
        self._folder = folder
        self._limits = limits
        self.predictor = Predictor(Key("ns", "svc"), self._launch, policy, lambda: None)

    def run(
        self,
        program: str,
        until: Callable[[list[Pod]], bool],
        *,
        generation: int = 1,
        wanted: int = 1,
    ) -> list[Pod]:
        template = PodTemplate("image", (program,), (), "s3://models/m")

        def look() -> tuple[list[Pod]] | None:
            self.predictor.advance(template, wanted, generation)
            pods = self.predictor.pods()
            self.predictor.published()
            return (pods,) if until(pods) else None

        (found,) = eventually(look, "the pods to become what is waited for", 20)
        return found

    def _launch(
        self, name: str, template: PodTemplate, changed: Callable[[], None]
    ) -> ServerProcess:
        command = ServerCommand(
            (sys.executable, "-c", template.args[0], "{port}"), {}, self._folder, "m"
        )
        process = ServerProcess(
            command,
            port=free_port(set()),
            folder=self._folder / f"{name}-{len(self.started)}",
            log=self._folder / "server.log",
            limits=self._limits,
            changed=changed,
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        self.predictor.stop()
        for process in self.started:
            process.stop()
        assert all(process.wait(10) for process in self.started)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path, POLICY, ProcessLimits(ready_deadline=10, grace=0.3))
    yield harness
    harness.close()


def ready(pods: list[Pod]) -> bool:
    return len(pods) == 1 and pods[0].ready


def all_ready(count: int) -> Callable[[list[Pod]], bool]:
    return lambda pods: len(pods) == count and all(pod.ready for pod in pods)


def in_service(pods: list[Pod]) -> list[str]:
    return [pod.name for pod in pods if pod.ready and not pod.retiring]


def exhausted(pods: list[Pod]) -> bool:
    return pods[0].exhausted


def test_a_server_that_answers_is_ready(harness: Harness) -> None:
    (pod,) = harness.run(SERVES, ready)

    assert pod.port == harness.started[0].port
    assert pod.restarts == 0


def test_a_server_that_fails_is_restarted_a_bounded_number_of_times(harness: Harness) -> None:
    (pod,) = harness.run(FAILS, exhausted)

    assert len(harness.started) == POLICY.limit + 1
    assert pod.restarts == POLICY.limit
    assert pod.last_termination is not None
    assert pod.last_termination.exit_code == 1
    assert pod.last_termination.message == "cannot load it"


def test_a_failed_server_is_tried_again_for_a_new_generation_only(harness: Harness) -> None:
    harness.run(FAILS, exhausted)

    harness.run(FAILS, exhausted)
    assert len(harness.started) == 3

    harness.run(FAILS, exhausted, generation=2)
    assert len(harness.started) == 6


def test_a_server_that_dies_is_not_ready_and_comes_back_in_the_same_pod(harness: Harness) -> None:
    (before,) = harness.run(SERVES, ready)
    harness.started[0]._process.kill()
    eventually(lambda: not harness.predictor.serving, "the death to be seen", 5)

    (after,) = harness.run(SERVES, ready)

    assert after.name == before.name
    assert after.restarts == 1
    assert after.last_termination is not None
    assert after.last_termination.exit_code == 137


def test_a_replaced_server_serves_until_the_new_one_is_ready_and_drained(harness: Harness) -> None:
    (old,) = harness.run(SERVES, ready)
    newer = f"import time; time.sleep(0.5)\n{SERVES}"

    seen: list[list[Pod]] = []

    def only_the_new_one(pods: list[Pod]) -> bool:
        seen.append(pods)
        return ready(pods) and pods[0].name != old.name

    harness.run(newer, only_the_new_one, generation=2)

    assert all(any(pod.ready and not pod.retiring for pod in pods) for pods in seen)
    drains = [pods for pods in seen if pods[-1].name == old.name and pods[-1].retiring]
    assert drains
    assert drains[0][-1].ready
    eventually(lambda: harness.started[0].termination, "the old server to end")


def test_a_server_that_never_became_ready_gives_way_at_once(harness: Harness) -> None:
    harness.run(HANGS, lambda pods: pods[0].running)

    harness.run(SERVES, ready, generation=2)

    eventually(lambda: harness.started[0].termination, "the first server to be killed")


def test_a_server_that_is_not_ready_in_time_is_killed_and_the_reason_told(tmp_path: Path) -> None:
    limits = ProcessLimits(ready_deadline=0.5, grace=0.1)
    harness = Harness(tmp_path, RestartPolicy(limit=0), limits)

    (pod,) = harness.run(HANGS, exhausted)

    assert pod.last_termination is not None
    assert "not ready within 0.5 s" in pod.last_termination.message
    harness.close()


def test_a_stopped_server_that_ignores_it_is_killed_and_leaves_no_file(
    harness: Harness, tmp_path: Path
) -> None:
    harness.run(HANGS, lambda pods: pods[0].running)
    process = harness.started[0]

    process.stop()

    assert process.wait(10)
    assert process_identity(process.pid) is None
    assert [path.name for path in tmp_path.iterdir()] == ["server.log"]


def test_replicas_are_processes_of_their_own(harness: Harness) -> None:
    pods = harness.run(SERVES, all_ready(3), wanted=3)

    assert len({pod.port for pod in pods}) == len({pod.name for pod in pods}) == 3
    assert [process.termination for process in harness.started] == [None] * 3


def test_fewer_replicas_leave_service_first_and_end_once_they_have_drained(
    harness: Harness,
) -> None:
    oldest = harness.run(SERVES, all_ready(3), wanted=3)[-1]
    seen: list[list[Pod]] = []

    def only_one(pods: list[Pod]) -> bool:
        seen.append(pods)
        return len(pods) == 1

    (left,) = harness.run(SERVES, only_one, wanted=1)

    assert left.name == oldest.name
    drained = [pod for pods in seen for pod in pods if pod.retiring and pod.ready]
    assert {pod.name for pod in drained} == {pod.name for pod in seen[0]} - {left.name}
    assert all(in_service(pods) == [left.name] for pods in seen)


def test_no_replica_ends_before_the_endpoints_are_known_to_have_gone(harness: Harness) -> None:
    harness.run(SERVES, all_ready(2), wanted=2)
    newest = harness.started[1]

    harness.predictor.advance(PodTemplate("image", (SERVES,), (), "s3://models/m"), 1, 1)
    assert [pod.retiring for pod in harness.predictor.pods()] == [True, False]
    assert not newest.wait(2 * POLICY.drain)

    harness.run(SERVES, all_ready(1), wanted=1)
    assert newest.wait(10)


def test_a_replica_that_is_not_ready_goes_before_one_that_serves(harness: Harness) -> None:
    harness.run(SERVES, all_ready(1), wanted=1)
    (serving,) = harness.predictor.pods()
    harness.run(HANGS, lambda pods: len(pods) == 2, wanted=1, generation=2)

    (left,) = harness.run(SERVES, all_ready(1), wanted=1, generation=3)

    assert left.name == serving.name


def test_no_replica_is_a_number_of_replicas_too(harness: Harness) -> None:
    harness.run(SERVES, all_ready(2), wanted=2)

    harness.run(SERVES, lambda pods: not pods, wanted=0)
    assert all(process.wait(10) for process in harness.started)

    harness.run(SERVES, all_ready(1), wanted=1)


def test_replicas_are_replaced_without_falling_below_their_number(harness: Harness) -> None:
    before = harness.run(SERVES, all_ready(2), wanted=2)
    seen: list[list[Pod]] = []

    def replaced(pods: list[Pod]) -> bool:
        seen.append(pods)
        return all_ready(2)(pods) and not {pod.name for pod in pods} & {p.name for p in before}

    harness.run(f"1\n{SERVES}", replaced, generation=2, wanted=2)

    assert min(len(in_service(pods)) for pods in seen) >= 2
    # One more than wanted is alive at a time: a quarter of two, rounded up.
    assert max(sum(not pod.retiring for pod in pods) for pods in seen) == 3


def test_the_processor_time_of_ready_replicas_is_known(harness: Harness) -> None:
    (pod,) = harness.run(SERVES, ready)

    used = harness.predictor.cpu_seconds()

    if Path("/proc/self/stat").exists():
        assert used[pod.name] > 0
    else:
        assert used == {}


def test_a_program_that_is_not_there_fails_with_a_reason(tmp_path: Path) -> None:
    def refuse(*_: object) -> ServerProcess:
        raise FileNotFoundError("no such interpreter")

    predictor = Predictor(Key("ns", "svc"), refuse, RestartPolicy(limit=0), lambda: None)

    predictor.advance(PodTemplate("image", (), (), "s3://m"), 1, 1)

    (pod,) = predictor.pods()
    assert pod.last_termination is not None
    assert pod.last_termination.message == "cannot start the model server: no such interpreter"


def test_waits_double_up_to_the_longest() -> None:
    policy = RestartPolicy(backoff=2, longest=20)

    assert [policy.delay(failures) for failures in range(6)] == [0, 2, 4, 8, 16, 20]
