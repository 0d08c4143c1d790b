"""Webhooks, what was sent to them, and a queue whose messages come late, twice or after a crash."""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import itemgetter

from controlplane.errors import (
    AlreadyExistsError,
    ConcurrentChangeError,
    InvalidRequestError,
    NotFoundError,
)
from controlplane.identifiers import now
from controlplane.requests import IdempotentRequest, Page, PageRequest
from controlplane.webhooks.health import TargetHealth
from controlplane.webhooks.model import (
    Attempt,
    Delivery,
    Webhook,
    WebhookCreated,
    WebhookDeleted,
    WebhookEvent,
)
from controlplane.webhooks.ports import Notice, Route, Routes, Situation
from tests.fakes.table import page_of, require

MAX_DELAY = timedelta(minutes=15)


class MemoryWebhooks:
    """A WebhookRepository. Of `projects` are those that a webhook may name."""

    def __init__(self) -> None:
        self.projects = {"vision"}
        self.stored: dict[tuple[str, str], Webhook] = {}
        self.events: list[WebhookEvent] = []
        self.answers: dict[str, Webhook] = {}

    def routes(self, tenant_id: str, project: str | None = None) -> Routes:
        self._look_for(project)
        own = [webhook for (tenant, _), webhook in self.stored.items() if tenant == tenant_id]
        routes = [Route(w.name, w.webhook_id, w.events, w.project, w.enabled) for w in own]
        return Routes(tuple(routes), stored=bool(own))

    def add(
        self,
        tenant_id: str,
        webhook: Webhook,
        known: Routes,
        event: WebhookCreated,
        request: IdempotentRequest | None,
    ) -> Webhook:
        if request and request.key_digest in self.answers:
            return self.answers[request.key_digest]
        if (tenant_id, webhook.name) in self.stored:
            raise AlreadyExistsError(f"there is already a webhook {webhook.name}")
        require(known == self.routes(tenant_id))
        self.stored[tenant_id, webhook.name] = webhook
        self.events.append(event)
        if request:
            self.answers[request.key_digest] = webhook
        return webhook

    def get(self, tenant_id: str, name: str, project: str | None = None) -> Webhook:
        try:
            found = self.stored[tenant_id, name]
        except KeyError:
            raise NotFoundError(f"there is no webhook {name}") from None
        self._look_for(project)
        return found

    def list(self, tenant_id: str, page: PageRequest) -> Page[Webhook]:
        return page_of({n: w for (t, n), w in self.stored.items() if t == tenant_id}, page)

    def replace(
        self, tenant_id: str, before: Webhook, after: Webhook, event: WebhookEvent
    ) -> Webhook:
        require(self.stored.get((tenant_id, before.name)) == before)
        stored = after.model_copy(update={"version": before.version + 1})
        self.stored[tenant_id, before.name] = stored
        self.events.append(event)
        return stored

    def remove(self, tenant_id: str, webhook: Webhook, event: WebhookDeleted) -> None:
        require(self.stored.get((tenant_id, webhook.name)) == webhook)
        del self.stored[tenant_id, webhook.name]
        self.events.append(event)

    def _look_for(self, project: str | None) -> None:
        if project is not None and project not in self.projects:
            raise InvalidRequestError(f"there is no project {project}")


class MemoryDeliveries:
    """A DeliveryLog. `fail` runs before each write with its name, and may raise."""

    def __init__(self, webhooks: MemoryWebhooks) -> None:
        self._webhooks = webhooks
        self.stored: dict[tuple[str, str, str], Delivery] = {}
        self.health: dict[tuple[str, str], TargetHealth] = {}
        self.events: list[WebhookEvent] = []
        self.answers: dict[str, Delivery] = {}
        self.fail: Callable[[str], None] = lambda _: None

    def add(self, tenant_id: str, delivery: Delivery) -> None:
        self.fail("add")
        self.stored.setdefault((tenant_id, delivery.webhook, delivery.delivery_id), delivery)

    def request(
        self,
        tenant_id: str,
        delivery: Delivery,
        event: WebhookEvent,
        request: IdempotentRequest | None,
    ) -> Delivery:
        if request and request.key_digest in self.answers:
            return self.answers[request.key_digest]
        self.add(tenant_id, delivery)
        self.events.append(event)
        if request:
            self.answers[request.key_digest] = delivery
        return delivery

    def get(self, tenant_id: str, webhook: str, delivery_id: str) -> Delivery:
        try:
            return self.stored[tenant_id, webhook, delivery_id]
        except KeyError:
            raise NotFoundError(f"there is no delivery {delivery_id}") from None

    def list(self, tenant_id: str, webhook: str, page: PageRequest) -> Page[Delivery]:
        own = {d: x for (t, w, d), x in self.stored.items() if (t, w) == (tenant_id, webhook)}
        return page_of(own, page, newest=True)

    def situation(self, tenant_id: str, webhook: str, delivery_id: str) -> Situation:
        return Situation(
            self.stored.get((tenant_id, webhook, delivery_id)),
            self._webhooks.stored.get((tenant_id, webhook)),
            self.health.get((tenant_id, webhook)),
        )

    def claim(
        self, tenant_id: str, before: Delivery, after: Delivery, health: TargetHealth
    ) -> Delivery:
        self.fail("claim")
        known = self.health.get((tenant_id, before.webhook))
        require((known.version if known else 0) == health.version - 1)
        claimed = self._put(tenant_id, before, after)
        self.health[tenant_id, before.webhook] = health
        return claimed

    def record(self, tenant_id: str, before: Delivery, after: Delivery) -> Delivery:
        self.fail("record")
        return self._put(tenant_id, before, after)

    def change_health(
        self,
        tenant_id: str,
        webhook: str,
        webhook_id: str,
        change: Callable[[TargetHealth], TargetHealth],
    ) -> TargetHealth:
        self.fail("change_health")
        place = (tenant_id, webhook)
        changed = change(self.health.get(place) or TargetHealth(webhook_id=webhook_id))
        self.health[place] = changed
        return changed

    def _put(self, tenant_id: str, before: Delivery, after: Delivery) -> Delivery:
        place = (tenant_id, before.webhook, before.delivery_id)
        stored = self.stored.get(place)
        if stored is None or stored.version != before.version:
            raise ConcurrentChangeError("the delivery has changed meanwhile")
        self.stored[place] = after.model_copy(update={"version": before.version + 1})
        return self.stored[place]


@dataclass
class MemoryQueue:
    """A DeliveryQueue whose delays are a quarter of an hour at most, as SQS's are. What is shown first comes first."""

    waiting: list[tuple[datetime, Notice]] = field(default_factory=list)
    fail: Callable[[str], None] = lambda _: None

    def send(self, notices: Sequence[Notice], delay: timedelta = timedelta(0)) -> None:
        self.fail("send")
        shown_at = now() + min(MAX_DELAY, max(timedelta(0), delay))
        for notice in notices:
            self.add(shown_at, notice)

    def put_back(self, notice: Notice, delay: timedelta) -> None:
        """What a message does whose function failed."""
        again = replace(notice, received=notice.received + 1)
        self.add(now() + delay, again)

    def add(self, shown_at: datetime, notice: Notice) -> None:
        insort(self.waiting, (shown_at, notice), key=itemgetter(0))

    def next(self) -> tuple[datetime, Notice] | None:
        """The message that is shown first, taken off."""
        return self.waiting.pop(0) if self.waiting else None


@dataclass
class MemoryMessenger:
    """A Messenger: what is posted, and what the target makes of it. `outcome` is a status or an error's word."""

    outcome: Callable[[], int | str] = lambda: 204
    posted: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        self.posted.append((url, headers, body))
        outcome = self.outcome()
        if isinstance(outcome, int):
            error = None if outcome < 300 else "gone" if outcome == 410 else "status"
            return Attempt.model_validate(
                {"at": now(), "duration_ms": 5, "status": outcome, "error": error}
            )
        return Attempt.model_validate({"at": now(), "duration_ms": 5, "error": outcome})
