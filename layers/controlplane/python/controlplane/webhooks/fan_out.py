"""An event becomes a delivery for each webhook that wants it."""

from controlplane.webhooks.messages import REQUESTS, Announced, delivery_of
from controlplane.webhooks.ports import DeliveryLog, DeliveryQueue, Notice, Route, WebhookRepository


def fan_out(
    event: Announced, *, webhooks: WebhookRepository, log: DeliveryLog, queue: DeliveryQueue
) -> int:
    """Write the deliveries down, then have them made; the number of them.

    A repeat writes nothing anew and sends the notices again, which find what was done. Raises UnavailableError,
    ThrottledError: to be repeated.
    """
    notices = (
        _asked_for(event)
        if event.is_of_webhooks
        else [
            _write(event, route, log)
            for route in webhooks.routes(event.tenant_id).routes
            if route.wants(event.type, event.project)
        ]
    )
    if notices:
        queue.send(notices)
    return len(notices)


def _asked_for(event: Announced) -> list[Notice]:
    if event.type not in REQUESTS:
        return []
    return [_notice(event, str(event.data["webhook"]), str(event.data["delivery"]))]


def _write(event: Announced, route: Route, log: DeliveryLog) -> Notice:
    delivery = delivery_of(event, route)
    log.add(event.tenant_id, delivery)
    return _notice(event, route.name, delivery.delivery_id)


def _notice(event: Announced, webhook: str, delivery_id: str) -> Notice:
    return Notice(event.tenant_id, webhook, delivery_id, str(event.metadata["correlation_id"]))
