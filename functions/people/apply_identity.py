"""Events of people and keys: bring the user pool in line with what the table says of them."""

from typing import Any

from controlplane.people.provisioning import apply_person, remove_key_user
from controlplane.runtime.tasks import TaskInput, task
from controlplane.runtime.wiring.people import (
    key_ring,
    machine_repository,
    person_repository,
    user_pool,
)

_ENDS_SESSIONS = "PersonTokensRevoked"


class ChangedIdentity(TaskInput):
    """Whose user is to be looked at: a person's or a key's."""

    tenant_id: str
    event_type: str
    person: str | None = None
    key_id: str | None = None

    @classmethod
    def parse(cls, event: dict[str, Any]) -> "ChangedIdentity":
        metadata, data = event["detail"]["metadata"], event["detail"]["data"]
        return cls(
            tenant_id=metadata["tenant_id"],
            event_type=metadata["type"],
            correlation_id=metadata["correlation_id"],
            causation_id=metadata["id"],
            person=data.get("person"),
            key_id=data.get("key_id"),
        )

    def log_context(self) -> dict[str, str]:
        return {"tenant_id": self.tenant_id, "event_type": self.event_type}


@task(ChangedIdentity.parse)
def lambda_handler(given: ChangedIdentity) -> None:
    if given.person is not None:
        apply_person(
            given.tenant_id,
            given.person,
            ends_sessions=given.event_type == _ENDS_SESSIONS,
            people=person_repository(),
            pool=user_pool(),
        )
    elif given.key_id is not None:
        remove_key_user(
            given.tenant_id,
            given.key_id,
            machines=machine_repository(),
            ring=key_ring(),
            pool=user_pool(),
        )
