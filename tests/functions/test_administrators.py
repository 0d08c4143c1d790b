"""The table itself keeps an administrator in each tenant, in whatever order requests read and write."""

import itertools

from hypothesis import HealthCheck, given, settings

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
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
