"""How long the commands of a newcomer take: measured in clones when asked for, else as recorded last."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.bench.budgets import Findings, Row
from local.bench.errors import BenchError

RECORD = Path("build/bench/wall_times.json")
PATIENCE = 45 * 60.0  # seconds, for one command
NOT_MEASURED = "not measured: make bench ALL=1"


@dataclass(frozen=True)
class Stage:
    """A make target, run in one of the clones, and how long it may take, in seconds."""

    name: str
    clone: str
    target: str
    bound: float


# Two clones, since the first command in one pays for its environments.
STAGES = (
    Stage("`make demo` from a fresh clone", "demo", "demo", 6 * 60),
    Stage("`make demo` again", "demo", "demo", 60),
    Stage("`make test` from a fresh clone", "test", "test", 12 * 60),
    Stage("`make check`", "test", "check", 60),
)


def recorded(project: Path) -> Findings:
    """The rows as they were measured last; without a bound kept or missed if they never were."""
    file = project / RECORD
    record: dict[str, Any] = {"seconds": {}, "when": ""}
    if file.is_file():
        record = json.loads(file.read_text())
    return Findings([_row(stage, record["seconds"].get(stage.name), record) for stage in STAGES])


def measure(
    project: Path, say: Callable[[str], None], stages: tuple[Stage, ...] = STAGES
) -> Findings:
    """Run the commands in fresh clones with empty caches, record their times, and clean up.

    What has not been committed is not in a clone. Raises BenchError when a command fails.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        clones: dict[str, Path] = {}
        seconds = {}
        try:
            for stage in stages:
                if stage.clone not in clones:
                    clones[stage.clone] = _clone(project, Path(folder) / stage.clone)
                clone = clones[stage.clone]
                seconds[stage.name] = _timed(stage.target, clone)
                say(f"{stage.name}: {seconds[stage.name]:.0f} s")
        finally:
            for clone in clones.values():
                _make("down", clone)
    record = {"seconds": seconds, "when": _circumstances(project)}
    (project / RECORD).parent.mkdir(parents=True, exist_ok=True)
    (project / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    return Findings([_row(stage, seconds[stage.name], record) for stage in stages])


def _row(stage: Stage, seconds: float | None, record: Mapping[str, Any]) -> Row:
    return Row(
        budget=stage.name,
        measured=NOT_MEASURED if seconds is None else f"{seconds:.0f} s ({record['when']})",
        bound=f"≤ {stage.bound:.0f} s",
        within=None if seconds is None else seconds <= stage.bound,
        is_count=False,
    )


def _clone(project: Path, target: Path) -> Path:
    command = ["git", "clone", "--quiet", "--no-hardlinks", str(project), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"the project could not be cloned:\n{done.stderr}")
    return target


def _timed(target: str, clone: Path) -> float:
    started = time.monotonic()
    done = _make(target, clone)
    if done.returncode:
        raise BenchError(
            f"`make {target}` failed in a clone:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return time.monotonic() - started


def _make(target: str, clone: Path) -> "subprocess.CompletedProcess[str]":
    """As a newcomer types it, with caches of the clone's own and free ports."""
    caches = clone.parent / f"{clone.name}-caches"
    environment = {
        **os.environ,
        "HEADRACE_PORTS": "auto",
        "UV_CACHE_DIR": str(caches / "uv"),
        "PIP_CACHE_DIR": str(caches / "pip"),
    }
    # This very `make` has left its own flags there.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "VIRTUAL_ENV"):
        environment.pop(name, None)
    python = getattr(sys, "_base_executable", sys.executable)
    return subprocess.run(
        ["make", f"PYTHON={python}", target],  # noqa: S607 - the make that the user has
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def _circumstances(project: Path) -> str:
    revision = subprocess.run(
        ["git", "-C", str(project), "rev-parse", "--short", "HEAD"],  # noqa: S607 - the user's git
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return f"{time.strftime('%Y-%m-%d')}, {revision}, {os.cpu_count()} cores, {platform.machine()}"
