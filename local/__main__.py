"""The embedded mode's command line: `python -m local --state .local up|down|status|fault|demo`."""

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from local import fault_commands, stack
from local import settings as settings_module
from local.audit import AuditClient, AuditError
from local.cluster_seed import ClusterError
from local.deploy.assembly import AssemblyError
from local.deploy.repairs import RepairError
from local.deploy.stacks import DeploymentError
from local.deploy.synthesis import SynthesisError
from local.faults import FaultError
from local.platform_client import PlatformError
from local.processes import ProcessError
from local.settings import Settings, SettingsError

# What a person can mend; anything else is a defect and shows its traceback.
EXPECTED = (
    AssemblyError,
    AuditError,
    ClusterError,
    DeploymentError,
    FaultError,
    PlatformError,
    ProcessError,
    RepairError,
    SettingsError,
    SynthesisError,
    stack.StackError,
)
COLOURS = {"running": "green", "not answering": "yellow", "stopped": "red"}

application = typer.Typer(
    help="Headrace on this machine: an embedded AWS and Kubernetes cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
application.add_typer(fault_commands.application, name="fault")
console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Selection:
    """The options in front of the command."""

    state: Path
    ports: str

    def settings(self, kubeconfig: Path | None = None) -> Settings:
        return settings_module.load(self.state, self.ports, kubeconfig)


@application.callback()
def select(
    context: typer.Context,
    state: Annotated[Path, typer.Option(help="The stack's state folder.")] = Path(".local"),
    ports: Annotated[
        str,
        typer.Option(
            envvar="HEADRACE_PORTS",
            help="`auto`: free ports, remembered. Single ones: HEADRACE_<NAME>_PORT.",
        ),
    ] = "",
) -> None:
    context.obj = Selection(state, ports)


@application.command()
def up(
    context: typer.Context,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="A real cluster to use instead of the embedded one.")
    ] = None,
) -> None:
    """Start the stack, or bring a running one up to date."""
    selection: Selection = context.obj
    described = stack.up(selection.settings(kubeconfig), _show)
    console.print(f"API      {described['api_url']}/api/v1/healthz")
    console.print(f"AWS      {described['aws_endpoint_url']}")
    console.print(f"cluster  kubectl --kubeconfig {described['kubeconfig']} get isvc -A")
    console.print(f"details  {selection.state / 'stack.json'}")


@application.command()
def down(context: typer.Context) -> None:
    """Stop every process of the stack; its state stays."""
    selection: Selection = context.obj
    if selection.state.is_dir():
        stack.down(selection.settings(), _show)


@application.command()
def status(context: typer.Context) -> None:
    """Show what runs, where it answers and where its log is."""
    selection: Selection = context.obj
    table = Table()
    for column in ("name", "pid", "state", "url", "log"):
        table.add_column(column, overflow="fold")  # nothing is cut off: people copy it
    for service in stack.status(selection.settings()):
        colour = COLOURS[service.state]
        table.add_row(
            service.name,
            str(service.pid or ""),
            f"[{colour}]{service.state}[/{colour}]",
            service.url,
            str(service.log),
        )
    console.print(table)


@application.command()
def token(
    context: typer.Context,
    username: Annotated[str, typer.Argument(help="One of the users in stack.json.")],
) -> None:
    """Sign a user of the stack in and print the access token."""
    selection: Selection = context.obj
    # As it is, on one line: it goes into a header.
    typer.echo(stack.access_token(selection.settings(), username))


@application.command()
def redrive(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="Take at most so many batches.")] = 100,
) -> None:
    """Publish the events of stream batches that could not be published before."""
    selection: Selection = context.obj
    console.print_json(data=stack.redrive(selection.settings(), limit))


@application.command()
def verify_audit(
    context: typer.Context,
    api_url: Annotated[
        str, typer.Option(envvar="API_URL", help="Of another deployment than this stack.")
    ] = "",
    token: Annotated[
        str, typer.Option(envvar="TOKEN", help="An access token of that deployment.")
    ] = "",
) -> None:
    """Check that no audit record was removed, altered, reordered or cut off; exit with 1 if one was."""
    selection: Selection = context.obj
    elsewhere = bool(api_url)
    settings = selection.settings()
    client = AuditClient(api_url, token) if elsewhere else stack.audit_client(settings)
    broken = 0
    for chain in client.verify_all():
        if chain.fault is None:
            console.print(f"[green]✓[/green] {chain.tenant}: {chain.sequence} records")
        else:
            broken += 1
            told = f"✗ {chain.tenant}: record {chain.sequence}: {chain.fault}"
            console.print(told, style="red", markup=False)
    if not elsewhere and (lost := stack.unrecorded_changes(settings)):
        console.print(f"{lost} changes lie among the dead letters", style="yellow")
    if broken:
        raise typer.Exit(1)


@application.command()
def demo(context: typer.Context) -> None:
    """Start the stack and serve a model on it, step by step."""
    selection: Selection = context.obj
    # Imported late: the other commands need none of what the demo needs.
    told = import_module("local.demo")
    try:
        told.run(selection.settings(), console)
    except told.DemoError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from error


def _show(step: stack.Step) -> None:
    console.print(f"[green]✓[/green] {step.title} [dim]{step.seconds:.1f} s[/dim]")


def main() -> None:
    try:
        application()
    except EXPECTED as error:
        # As plain text: brackets in a message are not markup.
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
