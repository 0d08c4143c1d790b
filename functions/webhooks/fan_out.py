"""The queue of events: write down a delivery for each webhook that wants an event, and have it made."""

import json

from controlplane.runtime.deliveries import each_message
from controlplane.runtime.observability import logger
from controlplane.runtime.wiring import webhooks as wired
from controlplane.webhooks.fan_out import fan_out
from controlplane.webhooks.messages import Announced


def _fan_out(body: str, _received: int) -> None:
    event = Announced(json.loads(body)["detail"])
    correlation_id = str(event.metadata["correlation_id"])
    logger.append_keys(tenant_id=event.tenant_id, correlation_id=correlation_id)
    count = fan_out(
        event,
        webhooks=wired.webhook_repository(),
        log=wired.delivery_log(),
        queue=wired.delivery_queue(),
    )
    logger.info("fanned out", extra={"event_type": event.type, "deliveries": count})


lambda_handler = each_message(_fan_out)
