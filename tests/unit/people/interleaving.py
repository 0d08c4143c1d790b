"""Requests about administrators whose reads and writes come in any order."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from controlplane.errors import ConflictError
from controlplane.people.model import Person
from controlplane.people.ports import PersonRepository
from controlplane.people.service import (
    change_roles,
    disable_person,
    enable_person,
    remove_person,
)

NAMES = ("ada", "bob", "eve")


class Stale:
    """A PersonRepository that answers with what was read earlier; everything else is the real one's."""

    def __init__(self, people: PersonRepository, seen: Person) -> None:
        self._people = people
        self._seen = seen

    def get(self, *_: str) -> Person:
        return self._seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._people, name)


@dataclass(frozen=True)
class Request:
    """What somebody asks for a person; `read_at` orders the reads among the other requests' writes."""

    action: str
    name: str
    read_at: int = 0

    def send(self, tenant_id: str, people: Any) -> None:
        actions: dict[str, Callable[[], Person]] = {
            "disable": lambda: disable_person(tenant_id, self.name, None, people=people),
            "enable": lambda: enable_person(tenant_id, self.name, None, people=people),
            "remove": lambda: remove_person(tenant_id, self.name, None, people=people),
            "demote": lambda: change_roles(
                tenant_id, self.name, ("viewer",), "somebody", None, people=people
            ),
            "promote": lambda: change_roles(
                tenant_id, self.name, ("tenant-admin",), "somebody", None, people=people
            ),
        }
        actions[self.action]()


@st.composite
def schedules(draw: st.DrawFn) -> list[Request]:
    """Requests in the order of their writes; each has read at some moment before."""
    requests = draw(
        st.lists(
            st.builds(
                Request,
                st.sampled_from(["disable", "remove", "demote", "enable", "promote"]),
                st.sampled_from(NAMES),
            ),
            min_size=2,
            max_size=8,
        )
    )
    return [
        replace(request, read_at=draw(st.integers(0, place)))
        for place, request in enumerate(requests)
    ]


def play(tenant_id: str, schedule: list[Request], people: PersonRepository) -> int:
    """Send the requests; returns how many were refused."""
    seen: dict[int, Person] = {}
    refused = 0
    for place, request in enumerate(schedule):
        for number, other in enumerate(schedule):
            if other.read_at == place:
                seen[number] = people.get(tenant_id, other.name)
        try:
            request.send(tenant_id, Stale(people, seen[place]))
        except ConflictError:
            refused += 1
    return refused


def administrators(tenant_id: str, people: PersonRepository) -> set[str]:
    """Who is enabled and may run the tenant, by the people themselves."""
    return {name for name in NAMES if people.get(tenant_id, name).is_administrator}
