"""Measure the budgets of the design and print them beside their bounds: `python -m local.bench`.

Starts an embedded stack of its own in a state folder that it makes and removes. Ends with 1 if a
figure that is the same on every machine (a count, a size) is over its bound, or nothing was measured.
"""

import importlib.metadata
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

from cdk import layers
from local import settings as settings_module
from local import stack
from local.__main__ import EXPECTED
from local.bench import wall_times
from local.bench.budgets import Findings, exit_code, show, show_detail
from local.bench.counts import measure_counts
from local.bench.cpu import measure_imports, measure_warm_requests
from local.bench.credentials import measure_credentials
from local.bench.decisions import measure_decisions
from local.bench.delivery import measure_deliveries
from local.bench.errors import BenchError
from local.bench.items import create_cloud
from local.bench.operations import cases
from local.bench.packages import HostCode, measure_sizes, read_functions
from local.bench.revocations import measure_revocations
from local.demo.errors import DemoError
from local.settings import AUTO, PROJECT, Settings

ENOUGH_FOR_A_PAGE = 20  # items of each kind
PACKAGES = ("pydynox", "botocore", "aws-lambda-powertools", "pydantic")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
WIDTH = 160  # columns where there is no terminal
console = Console() if sys.stdout.isatty() else Console(width=WIDTH)


def bench(
    state: Annotated[
        Path, typer.Option(help="State folder of the stack that is measured; must not exist.")
    ] = Path(".local-bench"),
    uploads: Annotated[int, typer.Option(min=1, help="Uploads to measure after the first.")] = 7,
    revocations: Annotated[
        int, typer.Option(min=4, help="Keys and people whose revocation is measured.")
    ] = 104,
    many: Annotated[int, typer.Option(min=20, help="Items of a kind that count as many.")] = 10_000,
    everything: Annotated[
        bool, typer.Option("--all", help="Also time make demo, test and check in fresh clones.")
    ] = False,
    details: Annotated[bool, typer.Option(help="Print what is behind each row.")] = True,
) -> None:
    """Print every budget with what was measured; fail on the counts."""
    _end_on_signals()
    console.print(_circumstances())
    for name in layers.LAYERS:
        for target in layers.PLATFORMS:
            layers.build(target, name)
    found = _measure(state, uploads, revocations, many)
    with console.status("commands in fresh clones"):
        found.append(
            wall_times.measure(PROJECT, console.print)
            if everything
            else wall_times.recorded(PROJECT)
        )
    if details:
        for detail in [detail for findings in found for detail in findings.details]:
            show_detail(console, detail)
    rows = [row for findings in found for row in findings.rows]
    show(console, rows)
    raise typer.Exit(exit_code(rows))


def _measure(state: Path, uploads: int, revocations: int, many: int) -> list[Findings]:
    """Everything but the wall times. What counts items comes last: it fills the embedded cloud."""
    with _running_stack(state) as (settings, described), tempfile.TemporaryDirectory() as folder:
        functions = read_functions(settings.state / "cdk.out")
        code = HostCode(Path(folder) / "code")
        endpoint = described["aws_endpoint_url"]
        with console.status("uploads until they are served"):
            deliveries = measure_deliveries(settings, described, uploads)
        with console.status("revocations until they are felt"):
            revoked = measure_revocations(settings, described, revocations)
        cloud = create_cloud(endpoint, ENOUGH_FOR_A_PAGE)
        with console.status("CPU of cold functions"):
            imports = measure_imports(code, functions, cloud)
        with console.status("CPU of warm requests"):
            requests = measure_warm_requests(code, functions, cloud)
        with console.status("credentials and decisions"):
            of_callers = [
                measure_credentials(code, functions, cloud),
                measure_decisions(code, functions),
            ]
        with console.status("AWS calls"):
            counts = measure_counts(endpoint, code, functions, list(cases()), many)
        sizes = measure_sizes(functions)
        return [counts, imports, requests, *of_callers, deliveries, revoked, sizes]


@contextmanager
def _running_stack(state: Path) -> Iterator[tuple[Settings, dict[str, Any]]]:
    """A new embedded stack on free ports; nothing of it is left afterwards, whatever happens."""
    if state.exists():
        raise BenchError(
            f"{state} exists: end what may run there with `make down STATE={state}`, and remove it"
        )
    settings = settings_module.load(state, AUTO)
    try:
        with console.status("an embedded stack"):
            described = stack.up(settings, lambda _: None)
        yield settings, described
    finally:
        _ignore_signals()
        stack.down(settings, lambda _: None)
        shutil.rmtree(settings.state)
        _end_on_signals()


def _end_on_signals() -> None:
    """Both end the run through its `finally` blocks."""

    def end(number: int, _: FrameType | None) -> None:
        _ignore_signals()  # an impatient second one must not leave half of it running
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in SIGNALS:
        signal.signal(number, end)


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _circumstances() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return (
        f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}; {versions}"
    )


def main() -> None:
    try:
        typer.run(bench)
    except (BenchError, DemoError, layers.LayerBuildError, *EXPECTED) as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
