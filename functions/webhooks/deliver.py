"""The queue of deliveries: make the attempt that a message asks for, or put it off. One message a call."""

from controlplane.runtime.deliveries import NoticeMessage, each_message
from controlplane.runtime.observability import logger
from controlplane.runtime.wiring import webhooks as wired


def _deliver(body: str, received: int) -> None:
    notice = NoticeMessage.model_validate_json(body).notice(received)
    logger.append_keys(
        tenant_id=notice.tenant_id,
        correlation_id=notice.correlation_id,
        webhook=notice.webhook,
        delivery_id=notice.delivery_id,
    )
    word = wired.postman().deliver(notice)
    logger.info("delivery", extra={"outcome": word, "attempt": notice.attempt})


lambda_handler = each_message(_deliver)
