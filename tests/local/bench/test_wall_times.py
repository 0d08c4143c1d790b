"""Commands timed in real clones of a small project."""

import subprocess
from pathlib import Path

import pytest

from local.bench import wall_times
from local.bench.errors import BenchError
from local.bench.wall_times import STAGES, Stage, measure, recorded

MAKEFILE = """\
demo:
\t@test ! -e built || echo again >> $(LOG)
\t@echo "demo $$HEADRACE_PORTS" >> $(LOG)
\t@touch built
fail:
\t@echo broken >&2; false
down:
\t@echo down >> $(LOG)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose targets write down that they ran."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE.replace("$(LOG)", str(tmp_path / "log")))
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)  # noqa: S607 - the user's git
    return folder


def test_commands_run_in_one_clone_after_the_other_and_are_recorded(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = (Stage("first", "demo", "demo", 60), Stage("again", "demo", "demo", 0))
    monkeypatch.setattr(wall_times, "STAGES", stages)
    said: list[str] = []

    measured = measure(project, said.append, stages)

    assert (tmp_path / "log").read_text().split("\n") == [
        "demo auto",
        "again",
        "demo auto",
        "down",
        "",
    ]
    assert [row.within for row in measured.rows] == [True, False]
    assert not any(row.fails for row in measured.rows)
    assert len(said) == 2
    assert recorded(project) == measured
    assert not (project / "built").exists()


def test_a_command_that_fails_is_told_and_what_it_started_is_ended(
    project: Path, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match="broken"):
        measure(project, print, (Stage("failing", "demo", "fail", 60),))

    assert (tmp_path / "log").read_text() == "down\n"
    assert recorded(project).rows[0].within is None


def test_times_that_nobody_has_measured_say_how_to(tmp_path: Path) -> None:
    rows = recorded(tmp_path).rows

    assert len(rows) == len(STAGES)
    assert {(row.measured, row.within) for row in rows} == {
        ("not measured: make bench ALL=1", None)
    }


def test_bounds_are_the_designs() -> None:
    assert [(stage.target, stage.bound) for stage in STAGES] == [
        ("demo", 360),
        ("demo", 60),
        ("test", 720),
        ("check", 60),
    ]
