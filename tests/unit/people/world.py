"""acme's people and machines in memory, with the user pool that follows them."""

from dataclasses import dataclass, field

from controlplane.people.administration import TenantPeople
from controlplane.people.machines import CreatedKey, create_key, create_machine
from controlplane.people.model import KeyRequest, MachineRequest, Person, PersonRequest
from controlplane.people.provisioning import apply_person
from controlplane.people.service import invite_person
from tests.fakes import (
    Clock,
    MemoryMachines,
    MemoryPeople,
    MemoryPrincipals,
    MemoryTable,
    MemoryUserPool,
)

SECRET = b"the secret of the machines"


@dataclass
class World:
    clock: Clock
    table: MemoryTable = field(default_factory=MemoryTable)
    principals: MemoryPrincipals = field(default_factory=MemoryPrincipals)
    pool: MemoryUserPool = field(default_factory=MemoryUserPool)

    def __post_init__(self) -> None:
        self.people = MemoryPeople(self.table, self.principals)
        self.machines = MemoryMachines(self.table, self.principals)
        self.whole = TenantPeople(self.people, self.machines, self.machines, self.pool)

    def write_down(self, name: str, *roles: str) -> Person:
        """Invited, and nothing has followed yet."""
        wanted = PersonRequest.model_validate(
            {"name": name, "email": f"{name}@acme.example", "roles": roles or ("developer",)}
        )
        return invite_person("acme", wanted, "root", None, people=self.people)

    def apply(self, name: str, **options: bool) -> Person:
        apply_person("acme", name, people=self.people, pool=self.pool, **options)
        return self.people.get("acme", name)

    def invite(self, name: str, *roles: str) -> Person:
        self.write_down(name, *roles)
        return self.apply(name)

    def create_key(self, *scopes: str, machine: str = "ci") -> CreatedKey:
        if ("acme", machine) not in self.machines.machines:
            wanted = MachineRequest(name=machine)
            create_machine("acme", wanted, "root", None, machines=self.machines)
        request = KeyRequest.model_validate({"machine": machine, "scopes": scopes or ("read",)})
        return create_key("acme", request, "root", None, machines=self.machines)

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.table.events]
