"""The state that the repositories share, and what a single table promises of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel

from controlplane.errors import (
    AlreadyExistsError,
    ConcurrentChangeError,
    IdempotencyKeyReusedError,
)
from controlplane.events import DomainEvent
from controlplane.limits import Limits, Quota, Reservation, quota_exceeded
from controlplane.projects.model import Project
from controlplane.registry.aliases import Aliases, AliasRecord
from controlplane.registry.model import Model, ModelVersion
from controlplane.registry.policy import RegistryPolicy
from controlplane.registry.signing_keys import SigningKey
from controlplane.registry.upload import RejectedUpload, Upload
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.serving.model import Deployment, Rollout
from controlplane.serving.progress import Tick
from controlplane.serving.project_policy import ServingPolicy

Place = tuple[str, ...]
Entity = TypeVar("Entity", bound=BaseModel)


@dataclass
class Remembered:
    """An idempotent request that has been answered."""

    body_digest: str
    answer: BaseModel
    expires_at: datetime


@dataclass
class MemoryTable:
    """Items by their place: tenant, project and names. `events` are those of the changes, in order.

    `counts` is the version of the quotas' item. `interrupt` runs once, just before the next write: what another
    caller does between our read and our write.
    """

    tenants: dict[str, Limits] = field(default_factory=dict)
    projects: dict[Place, Project] = field(default_factory=dict)
    models: dict[Place, Model] = field(default_factory=dict)
    versions: dict[tuple[str, str, str, int], ModelVersion] = field(default_factory=dict)
    aliases: dict[Place, Aliases] = field(default_factory=dict)
    alias_records: list[tuple[Place, AliasRecord]] = field(default_factory=list)
    registry_policies: dict[Place, RegistryPolicy] = field(default_factory=dict)
    serving_policies: dict[Place, ServingPolicy] = field(default_factory=dict)
    signing_keys: dict[Place, SigningKey] = field(default_factory=dict)
    uploads: dict[Place, Upload] = field(default_factory=dict)
    upload_history: list[Upload] = field(default_factory=list)
    rejected: dict[Place, RejectedUpload] = field(default_factory=dict)
    deployments: dict[Place, Deployment] = field(default_factory=dict)
    rollouts: dict[Place, Rollout] = field(default_factory=dict)
    ticks: dict[tuple[str, str, str, str, int], Tick] = field(default_factory=dict)
    requests: dict[Place, Remembered] = field(default_factory=dict)
    used: dict[tuple[str, Quota], int] = field(default_factory=dict)
    counts: int = 0
    events: list[DomainEvent] = field(default_factory=list)
    interrupt: Callable[[], None] | None = None

    def begin_write(self) -> None:
        """Every write of a repository begins here, before it looks at any condition."""
        pending, self.interrupt = self.interrupt, None
        if pending is not None:
            pending()

    def events_of(self, kind: type[DomainEvent]) -> list[DomainEvent]:
        return [event for event in self.events if type(event) is kind]


def reserve(table: MemoryTable, tenant_id: str, room: Sequence[Reservation]) -> None:
    """Take all the room that a change needs, or none."""
    for wanted in room:
        used = table.used.get((tenant_id, wanted.quota), 0)
        if wanted.amount > 0 and used + wanted.amount > wanted.limit:
            raise quota_exceeded(wanted, used)
    table.counts += 1
    for wanted in room:
        place = (tenant_id, wanted.quota)
        table.used[place] = table.used.get(place, 0) + wanted.amount


def change_project(table: MemoryTable, tenant_id: str, project: str, **more: int) -> None:
    """Count what a change below a project adds to it. Raises ConcurrentChangeError where it is gone."""
    held = table.projects.get((tenant_id, project))
    require(held is not None)
    if held is not None:
        counts = {name: getattr(held, name) + number for name, number in more.items()}
        changed = held.model_copy(update=counts | {"version": held.version + 1})
        table.projects[tenant_id, project] = changed


def require(condition: bool) -> None:
    """A condition of a write."""
    if not condition:
        raise ConcurrentChangeError("the item is not in the state that the write expects")


def create(
    table: MemoryTable,
    items: dict[Place, Entity],
    place: Place,
    entity: Entity,
    request: IdempotentRequest | None,
    moment: datetime,
    room: Sequence[Reservation] = (),
) -> Entity:
    """Store a new item once per idempotent request; a repeat returns the first answer."""
    table.begin_write()
    memory = (place[0], request.key_digest) if request else None
    known = table.requests.get(memory) if memory else None
    if request and known and known.expires_at >= moment:
        if known.body_digest != request.body_digest:
            raise IdempotencyKeyReusedError("this Idempotency-Key came with another body before")
        return type(entity).model_validate(known.answer.model_dump())
    if place in items:
        raise AlreadyExistsError(f"there is already {place[-1]}")
    reserve(table, place[0], room)
    items[place] = entity
    if memory and request:
        table.requests[memory] = Remembered(request.body_digest, entity, request.expires_at)
    return entity


def page_of(
    items: Mapping[str, Entity], asked: PageRequest, *, newest: bool = False
) -> Page[Entity]:
    """A page of items by their sort keys."""
    keys: Sequence[str] = sorted(items, reverse=newest)
    if asked.after is not None:
        after = asked.after
        keys = [key for key in keys if (key < after if newest else key > after)]
    kept = keys[: asked.limit]
    more = len(keys) > asked.limit
    return Page([items[key] for key in kept], kept[-1] if more else None)
