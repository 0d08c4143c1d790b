"""What webhooks work with."""

from functools import cache

from controlplane.runtime.settings import (
    DeliveriesSettings,
    LoopbackSettings,
    WebhookSecretSettings,
    load,
)
from controlplane.runtime.wiring import aws, tables
from controlplane.webhooks.delivery import Postman
from controlplane.webhooks.ports import DeliveryLog, DeliveryQueue, Messenger, WebhookRepository
from controlplane.webhooks.signatures import SigningKeys


def loopback_allowed() -> bool:
    allowed: bool = load(LoopbackSettings).webhooks_allow_loopback
    return allowed


@cache
def webhook_repository() -> WebhookRepository:
    from controlplane.adapters.dynamodb_webhooks import DynamoDBWebhooks

    return DynamoDBWebhooks(tables.table())


@cache
def delivery_log() -> DeliveryLog:
    from controlplane.adapters.dynamodb_webhook_deliveries import DynamoDBWebhookDeliveries

    return DynamoDBWebhookDeliveries(tables.table())


@cache
def delivery_queue() -> DeliveryQueue:
    from controlplane.adapters.sqs_webhook_queue import SqsDeliveryQueue

    return SqsDeliveryQueue(aws.client("sqs"), load(DeliveriesSettings).deliveries_queue_url)


@cache
def webhook_signing_keys() -> SigningKeys:
    """What webhooks' secrets are derived from, read once per container."""
    from controlplane.adapters.secretsmanager_secrets import read_secret

    arn = load(WebhookSecretSettings).webhook_secret_arn
    return SigningKeys.parse(read_secret(aws.client("secretsmanager"), arn))


@cache
def messenger() -> Messenger:
    from controlplane.adapters.https_webhook_messenger import HttpsMessenger

    return HttpsMessenger(allow_loopback=loopback_allowed())


@cache
def postman() -> Postman:
    return Postman(
        log=delivery_log(),
        webhooks=webhook_repository(),
        queue=delivery_queue(),
        messenger=messenger(),
        keys=webhook_signing_keys(),
    )
