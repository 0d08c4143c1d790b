"""What is posted: an event as it is on the bus, and a ping."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from controlplane.webhooks.model import (
    Delivery,
    WebhookEvent,
    WebhookRedeliveryRequested,
    WebhookTestRequested,
)
from controlplane.webhooks.ports import Route

PING = "Ping"
# By these an administrator asks for a delivery that is written down already.
REQUESTS = frozenset({WebhookTestRequested.__name__, WebhookRedeliveryRequested.__name__})


@dataclass(frozen=True)
class Announced:
    """An event from the bus. `detail` is what is posted: CloudEvents attributes as `metadata`, and `data`."""

    detail: Mapping[str, Any]

    @property
    def metadata(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.detail["metadata"]
        return found

    @property
    def data(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.detail["data"]
        return found

    @property
    def tenant_id(self) -> str:
        return str(self.metadata["tenant_id"])

    @property
    def type(self) -> str:
        return str(self.metadata["type"])

    @property
    def is_of_webhooks(self) -> bool:
        return str(self.metadata["source"]) == f"headrace.{WebhookEvent.capability}"

    @property
    def project(self) -> str | None:
        project = self.data.get("project")
        return str(project) if project is not None else None


def delivery_of(event: Announced, route: Route) -> Delivery:
    """The same event and webhook make the same delivery, whenever and however often they are asked for."""
    event_id = str(event.metadata["id"])
    moment = datetime.fromisoformat(str(event.metadata["time"]))
    digest = sha256(f"{event_id}/{route.webhook_id}".encode()).hexdigest()
    return Delivery(
        delivery_id=f"d-{int(moment.timestamp() * 1000):012x}{digest[:8]}",
        webhook=route.name,
        webhook_id=route.webhook_id,
        event_id=event_id,
        event_type=event.type,
        payload=_text(event.detail),
        created_at=moment,
    )


def ping_payload(event: WebhookTestRequested) -> str:
    """Of the same form as an event's, with the type Ping and no data of the tenant's."""
    metadata = event.envelope()["detail"]["metadata"] | {"type": PING}
    del metadata["dataschema"]
    return _text({"metadata": metadata, "data": {"webhook": event.webhook}})


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"))
