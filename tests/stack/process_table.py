"""The processes of this machine, as `ps` lists them."""

import subprocess
from collections.abc import Iterable

from local.process_identity import started_at


def descendants(pids: Iterable[int]) -> dict[int, str]:
    """Those processes and all that they started, directly or not, each with its identity."""
    parents = _parents()
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    identities = {pid: started_at(pid) for pid in found}
    return {pid: identity for pid, identity in identities.items() if identity}


def alive(processes: dict[int, str]) -> list[int]:
    return [pid for pid, identity in processes.items() if started_at(pid) == identity]


def mentioning(text: str) -> list[str]:
    """The command lines that contain the text."""
    return [line for line in _ps("args=") if text in line and "ps -eo" not in line]


def _parents() -> dict[int, int]:
    rows = (line.split() for line in _ps("pid=,ppid="))
    return {int(pid): int(parent) for pid, parent in rows}


def _ps(columns: str) -> list[str]:
    done = subprocess.run(
        ["/bin/ps", "-ww", "-eo", columns], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()
