"""API functions to call, each in a process of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from local.bench.errors import BenchError
from local.bench.packages import Function, HostCode

Json = dict[str, Any]
PROGRAM = Path(__file__).with_name("function_process.py")
# Nothing of this environment, no user's packages, no variables: what Lambda's own path holds.
ISOLATED = (sys.executable, "-I", "-S")
PATIENCE = 10.0  # seconds for a function process to end by itself


@dataclass(frozen=True)
class Report:
    """What a function's process says after a call. CPU is in milliseconds, of all its threads; `seconds` by the clock.

    `answer` is the function's own, the last of those that refused, or else the last of all.
    """

    answer: Json | None
    cpu: float
    seconds: float
    cpu_total: float
    modules: list[str]

    @property
    def body(self) -> Any:
        body = (self.answer or {}).get("body")
        return json.loads(body) if body else None


class RunningFunction:
    """A function that has been imported and waits for events."""

    def __init__(self, process: "subprocess.Popen[str]", entry: str, log: IO[str]) -> None:
        self._process = process
        self._entry = entry
        self._log = log
        self.imported = self._read()

    @property
    def process_id(self) -> int:
        return self._process.pid

    def call(self, events: Sequence[Json]) -> Report:
        """Let the function answer events, one after the other. Raises BenchError if it refused one."""
        if self._process.stdin is None:
            raise BenchError(f"{self._entry} takes no events")
        try:
            self._process.stdin.write(json.dumps(events) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as ended:
            raise self._ended() from ended
        report = self._read()
        if report.answer is None or report.answer["statusCode"] >= 400:
            event = events[-1]["requestContext"]["http"]
            raise BenchError(
                f"{self._entry} refused {event['method']} {event['path']}: {report.answer}"
            )
        return report

    def _read(self) -> Report:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise self._ended()
        return Report(**json.loads(line))

    def _ended(self) -> BenchError:
        self._log.seek(0)
        return BenchError(f"{self._entry} ended:\n{self._log.read()[-2000:]}")


@contextmanager
def running_function(
    code: HostCode, function: Function, settings: Mapping[str, str]
) -> Iterator[RunningFunction]:
    """A function with exactly these settings as its environment; its process ends with the block."""
    path = ":".join(map(str, code.path(function)))
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [*ISOLATED, str(PROGRAM), path, function.module],
            env=dict(settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield RunningFunction(process, function.entry, log)
        finally:
            _end(process)


def bare_cpu(code: HostCode, function: Function, statements: str = "") -> float:
    """CPU-ms of a new interpreter that runs some statements with the function's layers on its path."""
    program = (
        f"{statements}\n"
        "import resource; usage = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print((usage.ru_utime + usage.ru_stime) * 1000)"
    )
    return float(run_isolated(code, function, program))


def run_isolated(code: HostCode, function: Function, program: str) -> str:
    """What a program prints in a new interpreter with the function's layers on its path, and nothing else."""
    path = ":".join(map(str, code.path(function)))
    prepared = f"import sys; sys.path[:0] = sys.argv[1].split(':')\n{program}"
    done = subprocess.run(
        [*ISOLATED, "-c", prepared, path], env={}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"a bare interpreter failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _end(process: "subprocess.Popen[str]") -> None:
    """It ends when nothing more can come; one that is busy or hangs is killed."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):  # it has ended already
            process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
