"""Counts that are compared with what there is."""

import pytest

from controlplane.errors import QuotaExceededError
from controlplane.identifiers import now
from controlplane.projects.model import Project, ProjectRequest
from controlplane.projects.service import create_project, delete_project
from controlplane.quotas.model import QuotaCorrected, Use
from controlplane.quotas.service import Finding, reconcile_tenant
from tests.fakes import MemoryInventory, MemoryProjects, MemoryTable, MemoryUse


def reconcile(table: MemoryTable) -> Finding:
    return reconcile_tenant("acme", counter=MemoryUse(table), inventory=MemoryInventory(table))


def create(table: MemoryTable, name: str, limit: int = 50, tenant: str = "acme") -> Project:
    return create_project(
        tenant, ProjectRequest(name=name), "ada", None, limit, projects=MemoryProjects(table)
    )


def test_counts_that_every_change_keeps_are_true() -> None:
    table = MemoryTable()
    create(table, "vision")
    create(table, "speech")
    delete_project("acme", "speech", "ada", None, projects=MemoryProjects(table))

    assert reconcile(table) is Finding.TRUE
    assert MemoryUse(table).get("acme").use == Use(projects=1)


def test_the_last_place_is_given_once_and_comes_back() -> None:
    table = MemoryTable()
    create(table, "vision", limit=1)

    with pytest.raises(
        QuotaExceededError, match=r"allows 1 projects; 1 are in use and 1 more"
    ) as no:
        create(table, "speech", limit=1)
    assert "higher tier" in str(no.value.remedy)
    assert ("acme", "speech") not in table.projects

    delete_project("acme", "vision", "ada", None, projects=MemoryProjects(table))
    create(table, "speech", limit=1)


def test_tenants_have_quotas_of_their_own() -> None:
    table = MemoryTable()
    create(table, "vision", limit=1)

    create(table, "vision", limit=1, tenant="globex")


def test_a_wrong_count_is_corrected_and_announced() -> None:
    table = MemoryTable()
    create(table, "vision")
    table.used["acme", "projects"] = 7

    assert reconcile(table) is Finding.CORRECTED
    assert MemoryUse(table).get("acme").use == Use(projects=1)
    (event,) = table.events_of(QuotaCorrected)
    assert isinstance(event, QuotaCorrected)
    assert (event.counted.projects, event.found.projects) == (7, 1)
    assert reconcile(table) is Finding.TRUE


def test_a_change_during_the_counting_is_not_undone() -> None:
    table = MemoryTable()
    create(table, "vision")
    table.used["acme", "projects"] = 7
    # Between the count and the correction: another project, which must stay counted.
    table.interrupt = lambda: (create(table, "speech"), None)[1]

    assert reconcile(table) is Finding.CORRECTED
    assert MemoryUse(table).get("acme").use == Use(projects=2)


def test_a_tenant_that_never_rests_is_left_for_the_next_run() -> None:
    table = MemoryTable()
    create(table, "vision")
    table.used["acme", "projects"] = 7
    moments = iter(range(100))

    def disturb() -> None:
        table.projects["acme", f"p{next(moments)}"] = Project(
            name="p", created_at=now(), created_by="ada"
        )
        table.counts += 1
        table.interrupt = disturb

    table.interrupt = disturb

    assert reconcile(table) is Finding.BUSY
    assert table.events_of(QuotaCorrected) == []
