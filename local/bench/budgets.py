"""The table of budgets: what was measured, what is allowed, and whether that fails the run."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One budget. `within` is None when nothing was measured, or nothing is promised.

    `is_count` marks figures that are the same on every machine: only those fail the run. Clocks
    depend on the machine and on what else it does, so they are shown and judged by a person.
    """

    budget: str
    measured: str
    bound: str
    within: bool | None
    is_count: bool

    @property
    def verdict(self) -> str:
        if self.within is None:
            return "-"
        if self.within:
            return "within"
        return "FAILED" if self.is_count else "over"

    @property
    def fails(self) -> bool:
        return self.is_count and self.within is False


@dataclass(frozen=True)
class Detail:
    """A table behind some rows: what a person looks at when a budget is missed."""

    title: str
    columns: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Findings:
    """What one measurement found."""

    rows: Sequence[Row]
    details: Sequence[Detail] = ()


COLOURS = {"within": "green", "over": "yellow", "FAILED": "bold red", "-": "dim"}


def show(console: Console, rows: Sequence[Row]) -> None:
    table = Table("budget", "measured", "bound", "verdict", title="Budgets", show_lines=True)
    for row in rows:
        colour = COLOURS[row.verdict]
        table.add_row(row.budget, row.measured, row.bound, f"[{colour}]{row.verdict}[/{colour}]")
    console.print(table)


def show_detail(console: Console, detail: Detail) -> None:
    first, *figures = detail.columns
    table = Table(first, title=detail.title)
    for figure in figures:
        table.add_column(figure, justify="right")
    for line in detail.lines:
        table.add_row(*line)
    console.print(table)


def exit_code(rows: Sequence[Row]) -> int:
    """1 if a count is over its bound, or no count was measured at all."""
    counted = [row for row in rows if row.is_count and row.within is not None]
    return int(not counted or any(row.fails for row in rows))
