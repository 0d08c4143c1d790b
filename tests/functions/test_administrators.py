"""The table itself keeps an administrator in each tenant, in whatever order requests read and write."""

import itertools

from hypothesis import HealthCheck, given, settings

from controlplane.identifiers import now
from controlplane.people.model import InvitationSent, Person, PersonInvited, PersonStatus
from controlplane.people.ports import PersonRepository
from controlplane.runtime.wiring.people import person_repository
from controlplane.runtime.wiring.tables import use_platform
from tests.functions.cloud import Cloud
from tests.unit.people.interleaving import NAMES, Request, administrators, play, schedules

_numbers = itertools.count(1)


def tenant_of_administrators(people: PersonRepository) -> str:
    """A tenant of its own with three administrators."""
    tenant = f"t{next(_numbers)}"
    for name in NAMES:
        person = Person(
            name=name,
            email=f"{name}@t.example",
            roles=("tenant-admin",),
            created_at=now(),
            created_by="root",
        )
        invited = PersonInvited(tenant_id=tenant, person=name, roles=person.roles)
        person = people.add(tenant, person, invited, None)
        made = {"status": PersonStatus.INVITED, "subject": f"sub-{tenant}-{name}"}
        sent = InvitationSent(tenant_id=tenant, person=name)
        people.change(tenant, person, person.model_copy(update=made), sent)
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
    tenant = tenant_of_administrators(people)
    play(tenant, schedule, people)

    remaining = administrators(tenant, people)
    assert remaining
    assert cloud.item(f"TENANT#{tenant}", "ADMINISTRATORS")["names"] == remaining
