"""Telling one process from another that was given its number later."""

import os
import subprocess
from pathlib import Path

_PROC = Path("/proc")


def started_at(pid: int) -> str | None:
    """What distinguishes the running process of that number; None if there is none.

    A process that has ended and waits to be reaped counts as none.
    """
    if _PROC.joinpath("self", "stat").exists():
        return _started_at_linux(pid)
    done = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C"},
    )
    status, _, start = done.stdout.strip().partition(" ")
    return start.strip() if start and not status.startswith("Z") else None


def reap(pid: int) -> None:
    """Let an ended child of this process go; harmless for any other."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _started_at_linux(pid: int) -> str | None:
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold spaces and parentheses itself; then come state (the third
    # field of proc(5)) and, as the 22nd, the start in ticks since the boot.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None
    boot = _PROC.joinpath("sys", "kernel", "random", "boot_id").read_text().strip()
    return f"{boot}/{fields[19]}"
