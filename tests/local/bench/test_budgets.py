"""Which rows fail a run."""

import io

import pytest
from rich.console import Console

from local.bench.budgets import Row, exit_code, show


def row(within: bool | None, *, is_count: bool) -> Row:
    return Row("what", "7", "≤ 8", within, is_count)


@pytest.mark.parametrize(
    ("within", "is_count", "verdict", "fails"),
    [
        (True, True, "within", False),
        (False, True, "FAILED", True),
        (True, False, "within", False),
        (False, False, "over", False),
        (None, True, "-", False),
    ],
)
def test_counts_fail_and_clocks_are_only_shown(
    within: bool | None, is_count: bool, verdict: str, fails: bool
) -> None:
    judged = row(within, is_count=is_count)

    assert (judged.verdict, judged.fails) == (verdict, fails)


def test_run_fails_on_one_count_over_its_bound() -> None:
    kept, slow = row(True, is_count=True), row(False, is_count=False)

    assert exit_code([kept, slow]) == 0
    assert exit_code([kept, slow, row(False, is_count=True)]) == 1


def test_run_that_counted_nothing_fails() -> None:
    assert exit_code([row(True, is_count=False), row(None, is_count=True)]) == 1


def test_table_shows_every_row_beside_its_bound() -> None:
    printed = io.StringIO()

    show(Console(file=printed, width=100), [row(False, is_count=True)])

    for text in ("what", "7", "≤ 8", "FAILED"):
        assert text in printed.getvalue()
