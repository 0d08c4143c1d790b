"""Webhooks of a tenant, and what happens to them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controlplane.events import DomainEvent
from controlplane.identifiers import Name
from controlplane.reasons import Reason

# All webhooks of a tenant lie in one item, which one read finds for every event.
MAX_WEBHOOKS = 20
MAX_URL = 1000
ALL_EVENTS = "*"
GRACE_HOURS = 24
TRIED_FOR = timedelta(hours=24)

EventName = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Z][A-Za-z0-9]{2,63})$")]
EventNames = Annotated[tuple[EventName, ...], Field(min_length=1, max_length=50)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=MAX_URL)]
DeliveryId = Annotated[str, StringConstraints(pattern=r"^d-[0-9a-f]{20}$")]


class WebhookRequest(BaseModel):
    """What a caller sends to create a webhook."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Lower-case name, unique in the tenant", examples=["pager"])
    url: Url = Field(
        description="Where events are posted: https, no user info; its query is never shown again",
        examples=["https://hooks.example.com/headrace"],
    )
    events: EventNames = Field(
        default=(ALL_EVENTS,),
        description="Names of events of the registry and of serving, or `*` for all",
        examples=[["RolloutEnded", "ModelVersionRegistered"]],
    )
    project: Name | None = Field(default=None, description="Only this project's events; null: all")
    description: str = Field(default="", max_length=200)


class WebhookChange(BaseModel):
    """What a caller sends to change a webhook; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    events: EventNames | None = None
    project: Name | None = Field(default=None, description="Null: the events of all projects")
    description: str | None = Field(default=None, max_length=200)
    enabled: bool | None = Field(default=None, description="A disabled webhook is told nothing")

    @property
    def changes(self) -> dict[str, object]:
        """The fields that were sent; only the project may be set to null."""
        sent = self.model_dump(exclude_unset=True)
        return {k: v for k, v in sent.items() if v is not None or k == "project"}


class SecretVersion(BaseModel):
    """Which secret a webhook's messages are signed with: derived from the key of that number, kept nowhere.

    `valid_until` is set once another one has taken its place.
    """

    model_config = ConfigDict(frozen=True)

    generation: int
    key: int
    valid_until: datetime | None = None


class Webhook(BaseModel):
    """Where a tenant wants its events to be posted. `reason` tells why one was disabled that nobody disabled.

    `webhook_id` tells it from an earlier one of the same name. The newest of `secrets` comes first. What its target
    failed before `judged_since` is forgotten: it was enabled or given another URL then.
    """

    model_config = ConfigDict(frozen=True)

    name: Name
    webhook_id: str
    url: str
    events: tuple[str, ...]
    project: Name | None = None
    description: str = ""
    enabled: bool = True
    reason: Reason | None = None
    judged_since: datetime | None = None
    secrets: tuple[SecretVersion, ...]
    created_at: datetime
    created_by: str
    version: int = 1

    def valid_secrets(self, moment: datetime) -> tuple[SecretVersion, ...]:
        return tuple(s for s in self.secrets if s.valid_until is None or moment < s.valid_until)


class DeliveryKind(StrEnum):
    EVENT = "Event"
    TEST = "Test"
    REDELIVERY = "Redelivery"


class DeliveryState(StrEnum):
    PENDING = "Pending"  # no attempt was made yet
    RETRYING = "Retrying"
    DELIVERED = "Delivered"
    EXHAUSTED = "Exhausted"  # every attempt failed, and there will be no other
    CANCELLED = "Cancelled"  # the webhook was disabled or deleted before


OPEN = frozenset({DeliveryState.PENDING, DeliveryState.RETRYING})
# Why an attempt failed, in one stable word.
AttemptError = Literal[
    "refused_target",
    "dns_failed",
    "connection_failed",
    "tls_failed",
    "timed_out",
    "bad_answer",
    "status",
    "gone",
]


class Attempt(BaseModel):
    """One try to hand a message over. `excerpt` is the beginning of the answer, what is not printable escaped."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    duration_ms: int
    status: int | None = None
    error: AttemptError | None = None
    detail: str = ""
    excerpt: str = ""

    @property
    def succeeded(self) -> bool:
        return self.error is None


class Delivery(BaseModel):
    """A message for one webhook. Its id is the same in every attempt, and so are the bytes of `payload`.

    `attempts` are the latest, `made` is how many there were. While somebody makes one, `claimed_until` is set.
    """

    model_config = ConfigDict(frozen=True)

    delivery_id: DeliveryId
    webhook: Name
    webhook_id: str
    kind: DeliveryKind = DeliveryKind.EVENT
    event_id: str
    event_type: str
    state: DeliveryState = DeliveryState.PENDING
    payload: str
    redelivery_of: str | None = None
    attempts: tuple[Attempt, ...] = ()
    made: int = 0
    next_attempt_at: datetime | None = None
    claimed_until: datetime | None = None
    reason: Reason | None = None
    created_at: datetime
    version: int = 1

    @property
    def tried_until(self) -> datetime:
        return self.created_at + TRIED_FOR


class WebhookEvent(DomainEvent):
    capability: ClassVar[str] = "webhooks"
    webhook: Name

    @property
    def subject(self) -> str:
        return f"webhooks/{self.webhook}"


class WebhookCreated(WebhookEvent):
    events: tuple[str, ...]


class WebhookChanged(WebhookEvent):
    """The names of the fields that were set, not what they hold: an address may be a secret."""

    fields: tuple[str, ...]


class WebhookDeleted(WebhookEvent):
    pass


class WebhookSecretRotated(WebhookEvent):
    generation: int


class WebhookDisabled(WebhookEvent):
    """Nobody asked for it: the target is gone, or has failed for long."""

    reason: str


class WebhookTestRequested(WebhookEvent):
    delivery: DeliveryId


class WebhookRedeliveryRequested(WebhookEvent):
    delivery: DeliveryId
    redelivery_of: DeliveryId
