"""Measure the verdict by simulated rollouts: `python -m local.bench_verdict`.

Writes the tables into docs/verdict.md and the plot to docs/verdict.svg. Ends with 1 when canaries that are as good as
the stable revision are rolled back more often than the policy's 1 %, or worse ones pass more often than its 5 %, by
more than chance.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as ShownTable

from controlplane.serving.statistics.judging import evidence_needed
from local.bench_verdict import tables
from local.bench_verdict.figures import measure
from local.bench_verdict.plot import Panel, draw
from local.bench_verdict.simulation import Scenario
from local.settings import PROJECT

DOCUMENT, PLOT = PROJECT / "docs" / "verdict.md", PROJECT / "docs" / "verdict.svg"
BEGIN, END = "<!-- figures: make bench-verdict -->", "<!-- end of figures -->"
WIDTH = 200  # columns where there is no terminal
console = Console() if sys.stdout.isatty() else Console(width=WIDTH)


def bench_verdict(
    runs: Annotated[
        int, typer.Option(min=200, help="Rollouts for each rate of false rollbacks.")
    ] = 20_000,
    write: Annotated[bool, typer.Option(help="Write docs/verdict.md and docs/verdict.svg.")] = True,
) -> None:
    """Print every figure beside its bound; fail where one is broken."""
    few = max(200, runs // 40)
    found = [tables.equal_quality(runs), tables.whole_rollouts(few)]
    found += [tables.detection(few), tables.late_regressions(few)]
    for table in found:
        show(table)
    if write:
        PLOT.write_text(draw(panels(max(200, runs // 10))))
        replace_figures(DOCUMENT, tables.markdown(found))
    faults = [fault for table in found for fault in table.faults]
    for fault in faults:
        console.print(f"[red]{fault}[/red]")
    raise typer.Exit(1 if faults else 0)


def show(table: tables.Table) -> None:
    shown = ShownTable(title=table.title, title_justify="left")
    for heading in table.head:
        shown.add_column(heading)
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)


def panels(runs: int) -> list[Panel]:
    """False rollbacks of each rule as a rollout goes on, and how soon Headrace sees regressions."""
    needed = evidence_needed(tables.POLICY)
    equal = measure(Scenario(0.01), runs, (tables.SEED, 5), needed)
    worse = {
        f"+{points * 100:.0f} points": measure(
            Scenario(0.01, points, shares=(0.1,), ticks=500),
            runs,
            (tables.SEED, 6, int(points * 100)),
            needed,
            ("Headrace",),
        )["Headrace"]
        for points in reversed(tables.REGRESSIONS)
    }
    return [
        Panel("Equally good (1 % errors): rolled back", equal, 3600, 0.2, 600),
        Panel("Worse than 1 % errors: rolled back by Headrace", worse, 4800, 1.0, 800),
    ]


def replace_figures(document: Path, figures: str) -> None:
    """Put the figures between the document's two marks. Raises ValueError when they are not there."""
    text = document.read_text()
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{document} has no place for the figures: {BEGIN} … {END}")
    document.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}")


if __name__ == "__main__":
    typer.run(bench_verdict)
