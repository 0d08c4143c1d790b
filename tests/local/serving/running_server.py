"""A model server in a process of its own."""

import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests

START_SECONDS = 60


@dataclass
class RunningServer:
    process: subprocess.Popen[str]
    port: int
    temporary: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self) -> "RunningServer":
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(requests.ConnectionError):
                if requests.get(f"{self.url}/v2/models/m/ready", timeout=5).ok:
                    return self
            time.sleep(0.1)
        raise AssertionError(f"not ready: {self.process.stderr and self.process.stderr.read()}")


Start = Callable[..., RunningServer]
