"""Facts that Headrace announces.

A domain event is stored inside the item whose change it reports and reaches the bus from the table's stream:
source `headrace.<capability>`, detail-type the class name, `detail.metadata` CloudEvents 1.0 context attributes
with the tenant and the correlation, `detail.data` the fields of the class.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from controlplane.identifiers import TenantId, now

METADATA_FIELDS = (
    "event_id",
    "tenant_id",
    "occurred_at",
    "actor",
    "correlation_id",
    "causation_id",
)
# Who acts when no caller does: a rule, a schedule or a state machine.
SYSTEM = "system"


@dataclass(frozen=True)
class Correlation:
    """What a chain of work has in common, the event that caused this link of it, and who acts.

    An actor is `user:<subject>`, `key:<key id>` or `system`.
    """

    correlation_id: str
    causation_id: str | None = None
    actor: str = SYSTEM


_correlation: ContextVar[Correlation | None] = ContextVar("correlation", default=None)


@contextmanager
def correlated(correlation_id: str, causation_id: str | None = None) -> Iterator[None]:
    """Every event made inside belongs to this correlation."""
    token = _correlation.set(Correlation(correlation_id, causation_id))
    try:
        yield
    finally:
        _correlation.reset(token)


def act_as(actor: str) -> None:
    """Every event made from now on, in the correlation we are in, is this actor's doing."""
    _correlation.set(replace(current_correlation(), actor=actor))


def current_correlation() -> Correlation:
    return _correlation.get() or Correlation(str(uuid4()))


@dataclass(frozen=True)
class EventAlias:
    """Another source and detail type under which an event is announced as well."""

    source: str
    detail_type: str


def announced_as(
    detail_type: str, *, by: Literal["control", "application"] = "application"
) -> EventAlias:
    """An event of a SaaS control plane by the names of the AWS SaaS Builder Toolkit (sbt-aws, `EventManager`).

    Its control plane asks for work, its application plane tells how the work ended.
    """
    return EventAlias(f"{by}PlaneEventSource", detail_type)


class DomainEvent(BaseModel):
    """Something that has happened to one tenant; references only, never payloads or secrets.

    `aliases` are the names by which others know it: each is published beside the event itself.
    """

    model_config = ConfigDict(frozen=True)
    capability: ClassVar[str]
    aliases: ClassVar[tuple[EventAlias, ...]] = ()

    tenant_id: TenantId
    event_id: str = Field(default_factory=lambda: str(uuid4()))
    occurred_at: datetime = Field(default_factory=now)
    correlation_id: str = Field(default_factory=lambda: current_correlation().correlation_id)
    causation_id: str | None = Field(default_factory=lambda: current_correlation().causation_id)
    actor: str = Field(default_factory=lambda: current_correlation().actor)

    @property
    def subject(self) -> str:
        """The path of the resource that changed, below the tenant."""
        raise TypeError(f"{type(self).__name__} names no subject")

    def envelope(self) -> dict[str, Any]:
        """The event as the bus carries it: `id`, `source`, `detail_type` and `detail`.

        `also` holds the source, detail type and detail of each alias; it is left out where there is none.
        """
        cls = type(self)
        source = f"headrace.{cls.capability}"
        metadata = {
            "specversion": "1.0",
            "id": self.event_id,
            "source": source,
            "type": cls.__name__,
            "time": self.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "subject": self.subject,
            "dataschema": f"events/schemas/{cls.__name__}.json",
            "tenant_id": self.tenant_id,
            "actor": self.actor,
            "correlation_id": self.correlation_id,
            "causation_id": self.causation_id,
        }
        data = self.model_dump(mode="json", exclude=set(METADATA_FIELDS))
        envelope: dict[str, Any] = {
            "id": self.event_id,
            "source": source,
            "detail_type": cls.__name__,
            "detail": {"metadata": metadata, "data": data},
        }
        if cls.aliases:
            # The toolkit's consumers find the tenant at the top of the detail, in this spelling.
            known = {"tenantId": self.tenant_id, "metadata": metadata, "data": data}
            envelope["also"] = [
                {"source": alias.source, "detail_type": alias.detail_type, "detail": known}
                for alias in cls.aliases
            ]
        return envelope
