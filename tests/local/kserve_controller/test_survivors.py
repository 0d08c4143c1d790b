"""Servers of a controller that was killed are ended; processes that are not ours are not."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.kserve_controller.survivors import end_survivors, process_identity, record_process


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "600"], start_new_session=True) as sleeping:
        yield sleeping
        sleeping.kill()


def test_a_recorded_process_is_ended(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    folder = tmp_path / "servers/pod"
    folder.mkdir(parents=True)
    record_process(folder, process.pid)

    assert end_survivors(tmp_path / "servers") == 1
    assert process.wait(5) != 0
    assert not folder.exists()


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "servers/pod"
    folder.mkdir(parents=True)
    stubborn = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    with subprocess.Popen(
        ["/bin/sh", "-c", stubborn], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        record_process(folder, process.pid)

        assert end_survivors(tmp_path / "servers", grace_seconds=0.2) == 1
        assert process.wait(5) == -9


def test_a_process_that_took_over_the_id_is_left_alone(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "servers/pod"
    folder.mkdir(parents=True)
    earlier = {"pid": process.pid, "identity": f"{process_identity(process.pid)}0"}
    (folder / "process.json").write_text(json.dumps(earlier))

    assert end_survivors(tmp_path / "servers") == 0
    assert process.poll() is None


def test_a_broken_record_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / "servers/pod"
    folder.mkdir(parents=True)
    (folder / "process.json").write_text("{")

    assert end_survivors(tmp_path / "servers") == 0


def test_a_process_that_has_ended_has_no_identity(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()

    assert process_identity(process.pid) is None
