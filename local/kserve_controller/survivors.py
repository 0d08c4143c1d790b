"""Records of started servers, and the end of those that outlived the controller that started them.

Only the standard library, so that anything that tidies up can import it.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

RECORD = "process.json"
POLL_SECONDS = 0.05


def process_identity(pid: int) -> str | None:
    """What tells this process from a later one with the same id; None when it has ended.

    Linux: boot and start time in clock ticks (proc_pid_stat(5), fields 3 and 22). Elsewhere: `ps`.
    """
    try:
        # The second field is the program's name in brackets and may itself contain any character.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None if Path("/proc/self").exists() else _identity_from_ps(pid)
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _identity_from_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def record_process(folder: Path, pid: int) -> None:
    """Note in `folder` that `pid` is ours, in one step so that a crash leaves no half a record."""
    draft = folder / f"{RECORD}.draft"
    draft.write_text(json.dumps({"pid": pid, "identity": process_identity(pid)}))
    draft.replace(folder / RECORD)


def end_survivors(servers: Path, *, grace_seconds: float = 5.0) -> int:
    """End every recorded server under `servers` that still runs, and remove the records.

    A process id that has been given to another process since is left alone. Returns how many
    servers were still running.
    """
    alive = {pid: known for pid, known in _recorded(servers) if process_identity(pid) == known}
    for pid in alive:
        signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    remaining = _still_running(alive)
    while remaining and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        remaining = _still_running(remaining)
    for pid in remaining:
        signal_group(pid, signal.SIGKILL)
    shutil.rmtree(servers, ignore_errors=True)
    return len(alive)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a server and its children; each server leads a process group of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _still_running(processes: dict[int, str]) -> dict[int, str]:
    return {pid: known for pid, known in processes.items() if process_identity(pid) == known}


def _recorded(servers: Path) -> list[tuple[int, str]]:
    found = []
    for record in servers.glob(f"*/{RECORD}"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(record.read_text())
            found.append((int(content["pid"]), str(content["identity"])))
    return found
