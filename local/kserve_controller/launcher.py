"""Starts model servers: where they run, what they are given, and the end of all of them."""

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.kserve_controller.faults import FaultFiles
from local.kserve_controller.processes import (
    ProcessLimits,
    ServerCommand,
    ServerProcess,
    free_port,
)
from local.kserve_controller.runtimes import model_name, server_module
from local.kserve_controller.specification import Key, PodTemplate
from local.kserve_controller.survivors import end_survivors

# What a server inherits from this process; everything else it is told or does not know.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True)
class ModelStorage:
    """How a server reaches the models: what the storage initializer of a pod would be given."""

    endpoint_url: str
    region: str

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        credentials = {name: own[name] for name in CREDENTIALS if name in own}
        return {
            **credentials,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }


@dataclass(frozen=True)
class LauncherSettings:
    python: Path  # of the serving environment
    project: Path  # the folder that holds `local`
    state: Path
    logs: Path
    storage: ModelStorage
    limits: ProcessLimits = field(default_factory=ProcessLimits)


class Launcher:
    """Starts servers and knows which are running; safe to use from several threads."""

    def __init__(self, settings: LauncherSettings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = dict(environment)
        self._servers = settings.state / "servers"
        self.faults = FaultFiles(settings.state / "faults")
        self._running: set[ServerProcess] = set()
        self._lock = threading.Lock()

    def end_survivors(self) -> int:
        """End the servers of a predecessor that was killed; returns how many there were."""
        ended = end_survivors(self._servers)
        self._servers.mkdir(parents=True, exist_ok=True)
        return ended

    def launch(
        self, key: Key, pod: str, template: PodTemplate, changed: Callable[[], None]
    ) -> ServerProcess:
        """Start the server of `pod`. Raises OSError when it cannot be started."""
        folder = self._servers / f"{pod}-{secrets.token_hex(3)}"
        folder.mkdir(parents=True)
        with self._lock:
            self._running = {each for each in self._running if each.termination is None}
            taken = {each.port for each in self._running}
            try:
                process = ServerProcess(
                    self._command(key, template),
                    port=free_port(taken),
                    folder=folder,
                    log=self._settings.logs / f"{key.namespace}.{key.name}.log",
                    limits=self._settings.limits,
                    changed=changed,
                )
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._running.add(process)
        return process

    def stop_all(self) -> None:
        """End every server and wait for it; one that does not obey is killed on the way."""
        with self._lock:
            running = list(self._running)
        for process in running:
            process.stop()
        deadline = time.monotonic() + self._settings.limits.grace + 5.0
        for process in running:
            process.wait(max(0.0, deadline - time.monotonic()))

    def _command(self, key: Key, template: PodTemplate) -> ServerCommand:
        inherited = {
            name: self._environment[name] for name in INHERITED if name in self._environment
        }
        return ServerCommand(
            # The last of repeated arguments counts, so the place of the model and the port here
            # override what the container would have been told.
            arguments=(
                str(self._settings.python),
                "-m",
                server_module(template.image),
                *template.args,
                f"--model_dir={template.storage_uri}",
                "--http_port={port}",
                f"--faults_file={self.faults.path(key)}",
            ),
            environment={
                **inherited,
                "PYTHONUNBUFFERED": "1",
                **dict(template.env),
                **self._settings.storage.environment(self._environment),
            },
            working_directory=self._settings.project,
            model_name=model_name(template),
        )
