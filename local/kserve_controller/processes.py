"""One model server process: started, asked whether it is ready, ended, and its end explained."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from local.kserve_controller.pods import Termination
from local.kserve_controller.survivors import record_process, signal_group

LOOPBACK = "127.0.0.1"
STARTING_PROBE_SECONDS = 0.2
RUNNING_PROBE_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 2.0
# A busy server may answer late; Kubernetes' default failureThreshold forgives as often.
TOLERATED_LATE_ANSWERS = 2
LONGEST_MESSAGE = 4096  # bytes; the limit of a container's termination message
TERMINATION_LOG = "TERMINATION_LOG"
KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class ServerCommand:
    """How to start a server; `{port}` is replaced in `arguments`."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    working_directory: Path
    model_name: str


@dataclass(frozen=True)
class ProcessLimits:
    """Seconds until a server must be ready, and from SIGTERM to SIGKILL."""

    ready_deadline: float = 120.0
    grace: float = 10.0


def free_port(taken: set[int]) -> int:
    """A loopback port that nobody listens on and that is not in `taken`."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port


class ServerProcess:
    """A running server. `changed` is called, from another thread, when `ready` or the end changes.

    `folder` belongs to this process alone: its record, its temporary files, its last words.
    """

    def __init__(
        self,
        command: ServerCommand,
        *,
        port: int,
        folder: Path,
        log: Path,
        limits: ProcessLimits,
        changed: Callable[[], None],
    ) -> None:
        self.port = port
        self.ready = False
        self.termination: Termination | None = None
        self._changed = changed
        self._limits = limits
        self._model_path = f"/v2/models/{quote(command.model_name, safe='')}/ready"
        self._folder = folder
        self._log = log
        self._ended = threading.Event()
        self._stopping = False
        self._failure: str | None = None
        self._late_answers = 0
        self._process = self._start(command)
        self.pid = self._process.pid
        threading.Thread(target=self._await_end, daemon=True).start()
        threading.Thread(target=self._watch_readiness, daemon=True).start()

    def stop(self) -> None:
        """Ask the server to finish its requests and end; it is killed after the grace period."""
        if self._ended.is_set() or self._stopping:
            return
        self._stopping = True
        signal_group(self.pid, signal.SIGTERM)
        threading.Thread(target=self._kill_when_late, daemon=True).start()

    def wait(self, timeout: float) -> bool:
        """Wait until the process has ended; false when it has not after `timeout` seconds."""
        return self._ended.wait(timeout)

    def _start(self, command: ServerCommand) -> subprocess.Popen[bytes]:
        temporary = self._folder / "tmp"
        temporary.mkdir(parents=True)
        environment = {
            **command.environment,
            "TMPDIR": str(temporary),
            TERMINATION_LOG: str(self._folder / "termination-log"),
        }
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            self._log_start = output.tell()
            process = subprocess.Popen(
                [argument.replace("{port}", str(self.port)) for argument in command.arguments],
                env=environment,
                cwd=command.working_directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            record_process(self._folder, process.pid)
        except OSError:  # an unrecorded server could outlive everybody who knows it
            process.kill()
            process.wait()
            raise
        return process

    def _await_end(self) -> None:
        code = self._process.wait()
        # Download workers are in the same group, and must not outlive a server that crashed.
        signal_group(self.pid, signal.SIGKILL)
        self.ready = False
        exit_code = code if code >= 0 else 128 - code
        message = self._failure or self._last_words() or f"the server exited with {exit_code}"
        shutil.rmtree(self._folder, ignore_errors=True)
        self.termination = Termination(exit_code, message, datetime.now(UTC))
        self._ended.set()
        self._changed()

    def _kill_when_late(self) -> None:
        if not self._ended.wait(self._limits.grace):
            signal_group(self.pid, signal.SIGKILL)

    def _watch_readiness(self) -> None:
        deadline = time.monotonic() + self._limits.ready_deadline
        was_ready = False
        period = STARTING_PROBE_SECONDS
        while not self._ended.wait(period):
            ready = self._answers_ready()
            if ready and not was_ready:
                was_ready, period = True, RUNNING_PROBE_SECONDS
            if ready != self.ready and not self._ended.is_set():
                self.ready = ready
                self._changed()
            if not was_ready and time.monotonic() > deadline:
                seconds = self._limits.ready_deadline
                self._failure = f"the server was not ready within {seconds:g} s; see {self._log}"
                signal_group(self.pid, signal.SIGKILL)
                return

    def _answers_ready(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=PROBE_TIMEOUT_SECONDS)
        try:
            connection.request("GET", self._model_path)
            ready = connection.getresponse().status == HTTPStatus.OK
        except TimeoutError:
            self._late_answers += 1
            return self.ready and self._late_answers <= TOLERATED_LATE_ANSWERS
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        self._late_answers = 0
        return ready

    def _last_words(self) -> str:
        """What the server left as its termination message, or else its last line of the log."""
        with suppress(OSError):
            return (self._folder / "termination-log").read_text(errors="replace").strip()
        with suppress(OSError), self._log.open("rb") as log:
            size = os.fstat(log.fileno()).st_size
            log.seek(max(self._log_start, size - LONGEST_MESSAGE))
            lines = log.read().decode(errors="replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""
