"""The table itself keeps an administrator in each tenant, in whatever order requests read and write."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings

from controlplane.errors import ConflictError
from controlplane.people.service import disable_person
from controlplane.runtime.wiring.people import person_repository
from controlplane.runtime.wiring.tables import use_platform
from tests.functions.cloud import Cloud
from tests.unit.people.interleaving import NAMES, Request, administrators, play, schedules

_numbers = itertools.count(1)


def tenant_of_administrators(cloud: Cloud) -> str:
    """A tenant of its own with three administrators."""
    tenant = f"t{next(_numbers)}"
    place = {"pk": f"TENANT#{tenant}"}
    person = {
        "email": "somebody@t.example",
        "roles": ["tenant-admin"],
        "status": "Invited",
        "created_at": "2026-03-02T09:15:00+00:00",
        "created_by": "root",
        "version": 1,
    }
    people = [
        place | person | {"sk": f"PERSON#{name}", "name": name, "subject": f"sub-{name}"}
        for name in NAMES
    ]
    cloud.put_many([*people, place | {"sk": "ADMINISTRATORS", "names": set(NAMES)}])
    return tenant


@given(schedule=schedules())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_administrator_remains_and_the_set_is_the_truth(
    cloud: Cloud, schedule: list[Request]
) -> None:
    use_platform()
    people = person_repository()
    tenant = tenant_of_administrators(cloud)
    play(tenant, schedule, people)

    remaining = administrators(tenant, people)
    assert remaining
    assert cloud.item(f"TENANT#{tenant}", "ADMINISTRATORS")["names"] == remaining


@pytest.mark.parametrize("again", range(5))
def test_administrators_who_lock_each_other_out_at_once_leave_one(cloud: Cloud, again: int) -> None:
    tenant = tenant_of_administrators(cloud)
    use_platform()
    people = person_repository()

    def lock_out(name: str) -> str:
        use_platform()  # each thread is a request of its own
        try:
            return disable_person(tenant, name, None, people=people).status
        except ConflictError as refused:
            return refused.code

    with ThreadPoolExecutor(len(NAMES)) as at_once:
        answers = set(at_once.map(lock_out, [*NAMES, *NAMES]))

    enabled = {
        name
        for name in NAMES
        if cloud.item(f"TENANT#{tenant}", f"PERSON#{name}")["status"] != "Disabled"
    }
    assert answers <= {"Disabled", "last_administrator", "concurrent_change"}
    assert len(enabled) == 1
    assert cloud.item(f"TENANT#{tenant}", "ADMINISTRATORS")["names"] == enabled
