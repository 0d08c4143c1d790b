"""How the processes that run functions are started, and how their logs are read."""

import importlib.util
import queue
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.cloud.replacements import END_OF_LOG

# What AWS's Python runtime holds beside the standard library.
SDK = (
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "s3transfer",
    "six.py",
    "urllib3",
)
LOG_PATIENCE = 0.25  # seconds, as MiniStack's own

# A function without layers gets the SDK after its own code: AWS's runtime holds it, and the
# CDK's custom resources rely on that. With layers it must bring all that it needs.
_WITH_SDK = "import runpy, sys; sys.path.append(sys.argv[1]); runpy.run_path(sys.argv[2])"


def worker_command(sdk: Path) -> Callable[[str, str, list[str]], list[str]]:
    """The command of a worker: interpreter, script and layer folders → arguments."""
    _link_sdk(sdk)

    def command(binary: str, script: str, layers: list[str]) -> list[str]:
        if binary != sys.executable:
            return [binary, script]
        # -I ignores PYTHON* variables and the user's packages, -S this environment's packages.
        isolated = [binary, "-I", "-S"]
        if layers:
            return [*isolated, script]
        return [*isolated, "-c", _WITH_SDK, str(sdk), script]

    return command


def read_log(worker: Any, response: dict[str, Any]) -> str:
    """What a call has written to its log, up to the line that ends it."""
    ended_by_line = response.get("status") == "ok" or "type" in response
    if not (ended_by_line and worker.config.get("Runtime", "python").startswith("python")):
        text: str = vars(type(worker))["_drain_stderr_bounded"](worker)
        return text
    lines: list[str] = []
    deadline = time.monotonic() + LOG_PATIENCE
    waiting: queue.Queue[str] = vars(worker)["_stderr_queue"]
    while (left := deadline - time.monotonic()) > 0:
        try:
            line = waiting.get(timeout=left)
        except queue.Empty:
            break
        if line == END_OF_LOG:
            break
        lines.append(line)
    return "\n".join(lines)


def _link_sdk(folder: Path) -> None:
    """Fill a folder with links to the SDK's packages of this environment, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "the environment .venvs/cloud lacks botocore: make clean, make up"
        )
    site = Path(found.origin).parent.parent
    for name in SDK:
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(site / name)
