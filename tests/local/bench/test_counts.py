"""Counting AWS calls: on the functions as they are, and on functions that were made to cost more."""

from pathlib import Path

import pytest

from cdk.paths import Sources
from local.bench.allowances import ALLOWANCES, Allowance
from local.bench.budgets import Findings, Row, exit_code
from local.bench.counts import Counts, measure_counts
from local.bench.operations import Kind, cases, operations
from local.bench.packages import HostCode
from tests.local.bench.conftest import APIS, replace

MANY = 20
ADAPTERS = Path("python/controlplane/adapters")


def measure(endpoint: str, sources: Sources, tmp_path: Path, function: str = "") -> Findings:
    """Measure the requests that one function answers, or all there are."""
    wanted = [case for case in cases() if function in ("", case.operation.function)]
    code = HostCode(tmp_path / "code", sources)
    return measure_counts(endpoint, code, APIS, wanted, MANY)


def row_of(findings: Findings, part: str) -> Row:
    [found] = [row for row in findings.rows if part in row.budget]
    return found


@pytest.mark.parametrize(
    ("kind", "calls", "kept"),
    [
        (Kind.READ, (), True),
        (Kind.READ, ("GetItem",), True),
        (Kind.READ, ("GetItem", "GetItem"), False),
        (Kind.READ, ("Query",), False),
        (Kind.READ, ("PutItem",), False),
        (Kind.LIST, ("Query",), True),
        (Kind.LIST, ("Query", "Query"), False),
        (Kind.LIST, ("GetItem", "Query"), False),
        (Kind.CHANGE, ("PutItem",), True),
        (Kind.CHANGE, ("BatchGetItem", "TransactWriteItems"), True),
        (Kind.CHANGE, ("GetItem", "GetItem", "PutItem"), False),
        (Kind.CHANGE, ("PutItem", "PutItem"), False),
        (Kind.CHANGE, ("GetItem", "Query", "PutItem"), False),
        (Kind.CHANGE, ("GetItem", "sts:AssumeRole"), True),
        (Kind.CHANGE, ("GetItem", "PutItem", "events:PutEvents"), False),
    ],
)
def test_bounds_are_the_designs(kind: Kind, calls: tuple[str, ...], kept: bool) -> None:
    assert Counts(calls, items_read=0).keeps(kind) is kept


@pytest.mark.parametrize(
    ("calls", "kept"),
    [
        (("Query", "GetItem"), True),
        (("GetItem", "Query"), True),
        (("Query",), True),
        (("Query", "Query"), False),
        (("Query", "PutItem"), False),
    ],
)
def test_a_number_of_its_own_is_a_bound_for_each_call(calls: tuple[str, ...], kept: bool) -> None:
    assert Allowance(("GetItem", "Query"), "an example").keeps(calls) is kept


def test_only_requests_that_are_made_have_a_number_of_their_own() -> None:
    assert set(ALLOWANCES) <= {case.name for case in cases()}


def test_every_operation_is_called_and_creations_with_a_key_too() -> None:
    names = [case.name for case in cases()]

    assert {operation.name for operation in operations()} <= set(names)
    assert len(names) == len(set(names))
    assert "POST /projects, with Idempotency-Key" in names
    assert "GET /projects, next page" in names
    assert "GET /overview, of the platform, next page" in names


def test_functions_as_they_are_keep_every_bound(
    endpoint: str, sources: Sources, tmp_path: Path
) -> None:
    findings = measure(endpoint, sources, tmp_path)

    assert exit_code(findings.rows) == 0, findings.rows
    assert len(findings.rows) == 6
    detail, apart = findings.details
    assert len(detail.lines) == len(list(cases()))
    calls = {line[0]: line[2] for line in detail.lines}
    assert calls["GET /projects/{project}"] == "GetItem"
    assert calls["DELETE /projects/{project}"] == "GetItem, TransactWriteItems"
    assert calls["POST /keys/revoke"].startswith("Query, TransactWriteItems")
    named = {case.short_name for case in cases() if case.name in ALLOWANCES}
    assert {line[0] for line in apart.lines} == named
    sessions = row_of(findings, "credentials")
    assert sessions.measured.startswith("at most 1 in a container")
    assert "0 in " in sessions.measured


def test_a_repository_that_reads_twice_fails_the_run(
    endpoint: str, sources: Sources, tmp_path: Path
) -> None:
    read = "        item = self._table.get(project_key(tenant_id, name))\n"
    adapter = sources.controlplane_layer / ADAPTERS / "dynamodb_projects.py"
    replace(adapter, read, read * 2)

    findings = measure(endpoint, sources, tmp_path, "projects/api")

    reads, changes = row_of(findings, "makes: read"), row_of(findings, "create or change")
    assert reads.fails
    assert "GET /projects/{project}" in reads.measured
    assert changes.fails
    assert "DELETE /projects/{project}" in changes.measured
    assert not row_of(findings, "list a page").fails
    assert exit_code(findings.rows) == 1


def test_a_list_that_reads_all_there_is_fails_the_run(
    endpoint: str, sources: Sources, tmp_path: Path
) -> None:
    table = sources.controlplane_layer / ADAPTERS / "dynamodb_table.py"
    before = "                    limit=page.limit + 1,\n                    scan_index_forward"
    replace(table, before, "                    scan_index_forward")

    findings = measure(endpoint, sources, tmp_path, "projects/api")

    grown = row_of(findings, "does not grow")
    assert grown.fails
    assert "GET /projects" in grown.measured
    assert exit_code(findings.rows) == 1
