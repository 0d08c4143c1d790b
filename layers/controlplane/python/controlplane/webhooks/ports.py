"""What webhooks need from the outside world."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.webhooks.health import TargetHealth
from controlplane.webhooks.model import (
    ALL_EVENTS,
    Attempt,
    Delivery,
    Webhook,
    WebhookCreated,
    WebhookDeleted,
    WebhookEvent,
)


@dataclass(frozen=True)
class Route:
    """What of a webhook decides whether it is told of an event."""

    name: str
    webhook_id: str
    events: tuple[str, ...]
    project: str | None
    enabled: bool

    def wants(self, event_type: str, project: str | None) -> bool:
        """Whether the webhook is to be told of an event of this type, about this project."""
        if not self.enabled or self.project not in (None, project):
            return False
        return ALL_EVENTS in self.events or event_type in self.events


@dataclass(frozen=True)
class Routes:
    """All webhooks of a tenant. `stored` is False for one that never had any."""

    routes: tuple[Route, ...] = ()
    stored: bool = False


class WebhookRepository(Protocol):
    def routes(self, tenant_id: str, project: str | None = None) -> Routes:
        """One read, however many there are. Raises InvalidRequestError for a project that is not there."""
        ...

    def add(
        self,
        tenant_id: str,
        webhook: Webhook,
        known: Routes,
        event: WebhookCreated,
        request: IdempotentRequest | None,
    ) -> Webhook:
        """Store a new webhook; `known` tells whether it is the tenant's first. A repeat returns the first answer.

        Raises AlreadyExistsError, IdempotencyKeyReusedError, RequestInFlightError when others are made just now.
        """
        ...

    def get(self, tenant_id: str, name: str, project: str | None = None) -> Webhook:
        """One read. Raises NotFoundError, InvalidRequestError for a project that is not there."""
        ...

    def list(self, tenant_id: str, page: PageRequest) -> Page[Webhook]:
        """Webhooks by name."""
        ...

    def replace(
        self, tenant_id: str, before: Webhook, after: Webhook, event: WebhookEvent
    ) -> Webhook:
        """Store it over the state it was read in; as it is stored. Raises ConcurrentChangeError."""
        ...

    def remove(self, tenant_id: str, webhook: Webhook, event: WebhookDeleted) -> None:
        """Raises ConcurrentChangeError."""
        ...


@dataclass(frozen=True)
class Situation:
    """A delivery with all that decides about its next attempt; None for what is not there."""

    delivery: Delivery | None
    webhook: Webhook | None
    health: TargetHealth | None


class DeliveryLog(Protocol):
    def add(self, tenant_id: str, delivery: Delivery) -> None:
        """Store a new delivery; one that is there already stays as it is."""
        ...

    def request(
        self,
        tenant_id: str,
        delivery: Delivery,
        event: WebhookEvent,
        request: IdempotentRequest | None,
    ) -> Delivery:
        """Store a delivery that somebody asks for, which its event sets off. A repeat returns the first answer.

        Raises IdempotencyKeyReusedError, RequestInFlightError.
        """
        ...

    def get(self, tenant_id: str, webhook: str, delivery_id: str) -> Delivery:
        """Raises NotFoundError."""
        ...

    def list(self, tenant_id: str, webhook: str, page: PageRequest) -> Page[Delivery]:
        """The newest first."""
        ...

    def situation(self, tenant_id: str, webhook: str, delivery_id: str) -> Situation:
        """One read."""
        ...

    def claim(
        self, tenant_id: str, before: Delivery, after: Delivery, health: TargetHealth
    ) -> Delivery:
        """Begin an attempt: both are stored over the versions before them, or none. Raises ConcurrentChangeError."""
        ...

    def record(self, tenant_id: str, before: Delivery, after: Delivery) -> Delivery:
        """Raises ConcurrentChangeError."""
        ...

    def change_health(
        self,
        tenant_id: str,
        webhook: str,
        webhook_id: str,
        change: Callable[[TargetHealth], TargetHealth],
    ) -> TargetHealth:
        """Change what is stored by then, whatever others have made of it. Raises ConcurrentChangeError."""
        ...


@dataclass(frozen=True)
class Notice:
    """That a delivery waits for its attempt number `attempt`, counted from 0, which is `due` at that moment.

    `received` is how often this very message was handed out, `deferred` how often its like was put off.
    """

    tenant_id: str
    webhook: str
    delivery_id: str
    correlation_id: str
    attempt: int = 0
    due: datetime | None = None
    deferred: int = 0
    received: int = 1


class DeliveryQueue(Protocol):
    def send(self, notices: Sequence[Notice], delay: timedelta = timedelta(0)) -> None:
        """Hand notices out after a delay, which may be shorter than asked for. Raises UnavailableError."""
        ...


class Messenger(Protocol):
    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Post a message to a target that may have it, and tell what became of it; it never raises for a target."""
        ...
