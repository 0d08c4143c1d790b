"""The processor time that a process has used."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float | None:
    """In user and in kernel mode together; None where the system does not tell it (Linux alone does).

    Source: proc_pid_stat(5), fields 14 and 15.
    """
    try:
        # The second field is the program's name in brackets and may itself contain any character.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _TICKS
