"""Starting, finding and stopping the processes of an embedded stack.

Each has a session (so a process group) of its own, a log `logs/<name>.log` and a record
`run/<name>.json` in the state folder. The record holds when the process started, so that a number
the system has given to another program since is never signalled.
"""

import hashlib
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from local.process_identity import reap, started_at

POLL = 0.05  # seconds between two looks at a process
GRACE = 20.0  # seconds from SIGTERM to SIGKILL: the cloud saves its state meanwhile
SHOWN_LOG_LINES = 25
LARGEST_LOG = 20_000_000  # bytes, after which a start begins a new one

# Variables that would change what a process does behind our back.
UNWANTED = ("PYTHON", "AWS_", "VIRTUAL_ENV", "KUBECONFIG", "HEADRACE_")


class ProcessError(Exception):
    """A process ended or did not get ready; the message holds the end of its log."""


@dataclass(frozen=True)
class Service:
    """A process to run. It is ready when `ready_url` answers below 400.

    `authority` is a PEM file that signs the server's certificate, for an https URL.
    """

    name: str
    command: tuple[str, ...]
    ready_url: str
    environment: tuple[tuple[str, str], ...] = ()
    authority: Path | None = None
    deadline: float = 60.0

    @property
    def fingerprint(self) -> str:
        told = json.dumps([self.command, self.environment, self.ready_url])
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True)
class Running:
    """The record of a started process."""

    name: str
    pid: int
    started: str
    fingerprint: str
    url: str


class Processes:
    """The processes of the stack in one state folder."""

    def __init__(self, state: Path, project: Path) -> None:
        self._records = state / "run"
        self._logs = state / "logs"
        self._project = project

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def running(self, name: str) -> Running | None:
        """The process of that name, if it is alive and really the one that was started."""
        record = self._read(name)
        if record is None:
            return None
        reap(record.pid)
        return record if started_at(record.pid) == record.started else None

    def is_current(self, service: Service) -> bool:
        """Whether the service runs as described and answers."""
        record = self.running(service.name)
        return (
            record is not None
            and record.fingerprint == service.fingerprint
            and answers(service.ready_url, service.authority)
        )

    def start(self, service: Service) -> int:
        """Start a process, ending one of that name first, and return its number."""
        self.stop(service.name)
        for folder in (self._records, self._logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._turn_over_log(service.name)
        with self.log(service.name).open("ab") as log:
            child = subprocess.Popen(
                service.command,
                cwd=self._project,
                env=_environment() | dict(service.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # An ended child keeps its number until it is reaped, which only `running` does: so this
        # is the child's start, or None if it failed already, which `wait_ready` reports.
        started = started_at(child.pid) or "ended at once"
        record = Running(service.name, child.pid, started, service.fingerprint, service.ready_url)
        partial = self._record(service.name).with_suffix(".partial")
        partial.write_text(json.dumps(asdict(record)))
        partial.replace(self._record(service.name))
        return child.pid

    def wait_ready(self, service: Service) -> None:
        """Wait until the service answers. Raises ProcessError at once when it ends."""
        deadline = time.monotonic() + service.deadline
        while not answers(service.ready_url, service.authority):
            if self.running(service.name) is None:
                raise ProcessError(f"{service.name} ended while starting.{self._told(service)}")
            if time.monotonic() > deadline:
                raise ProcessError(
                    f"{service.name} did not answer {service.ready_url} within "
                    f"{service.deadline:.0f} s.{self._told(service)}"
                )
            time.sleep(POLL)
        # Something else may answer on the port while the process itself failed to bind it.
        if self.running(service.name) is None:
            raise ProcessError(f"{service.name} ended while starting.{self._told(service)}")

    def stop(self, name: str, grace: float = GRACE) -> bool:
        """End a process and its group; False when it was not running."""
        record = self.running(name)
        if record is not None:
            _signal_group(record.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace
            while self.running(name) is not None and time.monotonic() < deadline:
                time.sleep(POLL)
            # What it started and left behind, or itself when it did not heed SIGTERM.
            _signal_group(record.pid, signal.SIGKILL)
            while self.running(name) is not None:
                time.sleep(POLL)
        self._record(name).unlink(missing_ok=True)
        return record is not None

    def _turn_over_log(self, name: str) -> None:
        log = self.log(name)
        if log.exists() and log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))

    def _told(self, service: Service) -> str:
        log = self.log(service.name)
        lines = log.read_text(errors="replace").splitlines()[-SHOWN_LOG_LINES:]
        return "\n".join([f" The end of {log}:", *lines])

    def _record(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _read(self, name: str) -> Running | None:
        try:
            return Running(**json.loads(self._record(name).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def answers(url: str, authority: Path | None = None) -> bool:
    """Whether the URL answers with a status below 400 within a second; no proxy is asked."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    try:
        if authority is not None:
            trust = ssl.create_default_context(cafile=str(authority))
            handlers.append(urllib.request.HTTPSHandler(context=trust))
        with urllib.request.build_opener(*handlers).open(url, timeout=1):
            return True
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    kept = {name: value for name, value in inherited.items() if not name.startswith(UNWANTED)}
    # Services talk to each other on the loopback only, whatever proxy the caller uses.
    return kept | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
