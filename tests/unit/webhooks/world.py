"""A webhook, its deliveries and the postman, on a clock that a test moves."""

from dataclasses import dataclass, field
from datetime import timedelta

from controlplane.errors import HeadraceError
from controlplane.webhooks.delivery import Postman
from controlplane.webhooks.fan_out import fan_out
from controlplane.webhooks.messages import Announced
from controlplane.webhooks.model import Delivery, Webhook, WebhookChange, WebhookRequest
from controlplane.webhooks.ports import Notice
from controlplane.webhooks.service import Rules, change_webhook, create_webhook
from controlplane.webhooks.signatures import SigningKeys
from tests.fakes import Clock, MemoryDeliveries, MemoryMessenger, MemoryQueue, MemoryWebhooks

KEYS = SigningKeys.parse('{"1": "a key"}')
RULES = Rules(frozenset({"RolloutEnded", "ModelVersionRegistered"}), allow_loopback=False)
VISIBILITY = timedelta(minutes=3)


@dataclass
class World:
    """acme's webhook `pager`, told of everything."""

    clock: Clock
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    messenger: MemoryMessenger = field(default_factory=MemoryMessenger)

    def __post_init__(self) -> None:
        self.log = MemoryDeliveries(self.webhooks)
        self.postman = Postman(
            log=self.log,
            webhooks=self.webhooks,
            queue=self.queue,
            messenger=self.messenger,
            keys=KEYS,
        )
        self.events = 0

    def add(self, name: str = "pager") -> Webhook:
        wanted = WebhookRequest(name=name, url="https://hooks.example.com/x")
        made = create_webhook(
            "acme", wanted, "root", None, rules=RULES, webhooks=self.webhooks, keys=KEYS
        )
        return made.webhook

    def change(self, **wanted: object) -> Webhook:
        """What an administrator does to `pager`."""
        change = WebhookChange.model_validate(wanted)
        return change_webhook("acme", "pager", change, None, rules=RULES, webhooks=self.webhooks)

    def announce(self) -> int:
        """One more event; the number of deliveries that come of it."""
        self.events += 1
        return self.fan_out(self.events)

    def fan_out(self, number: int) -> int:
        metadata = {
            "id": f"event-{number}",
            "source": "headrace.serving",
            "type": "RolloutEnded",
            "time": self.clock.now().isoformat(),
            "tenant_id": "acme",
            "correlation_id": "c",
        }
        event = Announced({"metadata": metadata, "data": {"project": "vision"}})
        return fan_out(event, webhooks=self.webhooks, log=self.log, queue=self.queue)

    def step(self) -> Notice | None:
        """Hand the next message out, when it is shown; None when there is none."""
        found = self.queue.next()
        if found is None:
            return None
        shown_at, notice = found
        if shown_at > self.clock.now():
            self.clock.advance((shown_at - self.clock.now()).total_seconds())
        try:
            self.postman.deliver(notice)
        except HeadraceError:
            self.queue.put_back(notice, VISIBILITY)
        return notice

    def run(self, most: int = 2000) -> None:
        """Until nothing waits any more."""
        for _ in range(most):
            if self.step() is None:
                return
        raise AssertionError(f"still {len(self.queue.waiting)} messages wait")

    @property
    def deliveries(self) -> list[Delivery]:
        return list(self.log.stored.values())

    @property
    def webhook(self) -> Webhook:
        return self.webhooks.get("acme", "pager")
