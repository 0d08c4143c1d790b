"""The command itself: it leaves nothing behind, however it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdk.paths import ROOT
from local.process_identity import started_at
from tests.waiting import eventually

SECONDS = 60


@pytest.fixture
def bench(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A run that has not been going on for long."""
    command = [sys.executable, "-m", "local.bench", "--state", str(tmp_path / "state")]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_interrupted_run_leaves_no_process_and_no_state(
    bench: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    state = tmp_path / "state"
    eventually((state / "stack.json").is_file, "the stack is up", SECONDS)
    records = [json.loads(file.read_text()) for file in (state / "run").glob("*.json")]
    assert len(records) == 4

    os.kill(bench.pid, signal.SIGTERM)
    os.kill(bench.pid, signal.SIGINT)  # an impatient one

    assert bench.wait(SECONDS) == 130
    assert [r["name"] for r in records if started_at(r["pid"]) == r["started"]] == []
    assert not state.exists()


def test_state_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "state"
    theirs.mkdir()
    (theirs / "kept").touch()

    done = subprocess.run(
        [sys.executable, "-m", "local.bench", "--state", str(theirs)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "exists" in done.stderr
    assert (theirs / "kept").exists()
