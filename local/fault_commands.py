"""`python -m local fault`: let revisions of the embedded cluster fail, to see what becomes of them."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from local.faults import FaultError, Faults
from local.serving.faults import FaultInvalidError, read_fault

application = typer.Typer(
    help="Faults of model servers on purpose; they act at once, and end when they are cleared.",
    no_args_is_help=True,
)
console = Console(soft_wrap=True)

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Of the revision: tenant-<id>.")]


def _faults(context: typer.Context) -> Faults:
    return Faults(context.obj.settings().kubeconfig)


@application.command("set")
def order(
    context: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="An InferenceService; * and ? stand for other characters.")
    ],
    namespace: Namespace,
    error_rate: Annotated[float, typer.Option(help="Share of predictions answered with 500.")] = 0,
    latency_ms: Annotated[float, typer.Option(help="What each prediction waits first.")] = 0,
    jitter_ms: Annotated[float, typer.Option(help="Latency differs by so much at most.")] = 0,
    never_ready: Annotated[bool, typer.Option("--never-ready", help="Not ready, 503.")] = False,
    die_after: Annotated[int, typer.Option(help="Die in this prediction after each start.")] = 0,
    hang: Annotated[str, typer.Option(help="No answer: `requests`, or `all` with probes.")] = "",
) -> None:
    """Order a fault; the revision need not exist yet. Replaces what the same name had before."""
    values: dict[str, Any] = {
        "errorRate": error_rate,
        "latencyMs": latency_ms,
        "latencyJitterMs": jitter_ms,
        "neverReady": never_ready,
        "dieAfterRequests": die_after,
        "hang": hang,
    }
    try:
        fault = read_fault(values)
    except FaultInvalidError as error:
        raise FaultError(str(error)) from error
    _faults(context).set(namespace, revision, fault)


@application.command()
def clear(
    context: typer.Context,
    namespace: Namespace,
    revision: Annotated[str, typer.Argument(help="As it was set; without it: all.")] = "",
) -> None:
    """Take a fault back: the revision is healthy at its next request."""
    cleared = _faults(context).clear(namespace, revision)
    console.print(f"cleared {cleared}")
    if revision and not cleared:
        raise typer.Exit(1)


@application.command("list")
def show(
    context: typer.Context,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only this one.")] = "",
) -> None:
    """Show what is ordered."""
    table = Table()
    for column in ("namespace", "revision", "fault"):
        table.add_column(column, overflow="fold")
    for each in _faults(context).list(namespace):
        told = f"left out: {each.problem}" if each.problem else _without_revision(each.text)
        table.add_row(each.namespace, each.revision or each.name, told)
    console.print(table)


def _without_revision(text: str) -> str:
    return ", ".join(line for line in text.splitlines() if not line.startswith("revision:"))
