"""Webhooks: from the bus through a queue of events to a queue of deliveries, each attempt a message of its own."""

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.dead_letter_queue import DeadLetterQueue
from cdk.constructs.event_rule import EventRule
from cdk.constructs.function_layers import FunctionLayers
from cdk.constructs.key_ring import key_ring
from cdk.stacks.data import DataStack
from cdk.target import Target

# What tenants are told of, and by what their administrators ask for a delivery.
_SOURCES = ("headrace.registry", "headrace.serving", "headrace.webhooks")
_TENANTS = "TENANT#*"
_TIMEOUT = Duration.seconds(30)
# An hour of failures, at three minutes each: failures of ours, a target's own are no failure of a message.
_MAX_RECEIVES = 20
# Attempts at a time, of all tenants together. A failing target takes part in one only, see `webhooks.health`.
_DELIVERIES_AT_ONCE = 50


class WebhooksStack(Stack):
    """The API writes to the table alone; events set off what is sent."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        target: Target,
        data: DataStack,
        bus: events.IEventBus,
    ) -> None:
        super().__init__(scope, id, env=target.environment, termination_protection=target.on_aws)
        self._target = target
        self._data = data
        self._layers = FunctionLayers(self, "Layers", target=target)
        self._secret = self._signing_keys()
        self.api = self._api()
        self.unprocessed = [
            DeadLetterQueue(self, "UnprocessedEvents", of_queue=True),
            DeadLetterQueue(self, "UnprocessedDeliveries", of_queue=True),
        ]
        self.announced, self.deliveries = (
            self._queue(name, dead)
            for name, dead in zip(("Events", "Deliveries"), self.unprocessed, strict=True)
        )
        self._fan_out(self.announced, self.deliveries)
        self._deliver(self.deliveries)
        rule = EventRule(
            self,
            "EventAnnounced",
            description="Tells webhooks of what happens to models and deployments",
            bus=bus,
            pattern=events.EventPattern(source=list(_SOURCES)),
        )
        rule.enqueue(self.announced)
        self.undelivered = [rule.undelivered, *self.unprocessed]
        CfnOutput(self, "WebhookDeliveriesQueueUrl", value=self.deliveries.queue_url)

    def _signing_keys(self) -> secretsmanager.Secret:
        return key_ring(
            self,
            "SigningKeys",
            target=self._target,
            description="Keys that webhooks' secrets come from; the highest makes new secrets",
            because="Older keys make the secrets that receivers hold: a new one is added by an operator",
        )

    def _queue(self, id: str, dead_letters: DeadLetterQueue) -> sqs.Queue:
        return sqs.Queue(
            self,
            id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            # What Lambda recommends: six times the function's time.
            visibility_timeout=Duration.seconds(6 * _TIMEOUT.to_seconds()),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=dead_letters, max_receive_count=_MAX_RECEIVES
            ),
        )

    def _function(
        self, id: str, module: str, settings: dict[str, str], timeout: Duration | None = None
    ) -> ControlPlaneFunction:
        return ControlPlaneFunction(
            self,
            id,
            entry=f"webhooks/{module}",
            target=self._target,
            layers=self._layers.runtime,
            settings={"TABLE_NAME": self._data.table.table_name, **settings},
            timeout=timeout,
        )

    def _api(self) -> ControlPlaneFunction:
        cursors = self._data.cursor_secret
        api = self._function(
            "Api", "api", {"CURSOR_SECRET_ARN": cursors.secret_arn, **self._own_settings()}
        )
        self._data.tenant_access.allow(api)
        for secret in (cursors, self._secret):
            api.allow(["secretsmanager:GetSecretValue"], secret.secret_arn)
        return api

    def _fan_out(self, announced: sqs.Queue, deliveries: sqs.Queue) -> None:
        settings = {"DELIVERIES_QUEUE_URL": deliveries.queue_url}
        function = self._function("FanOut", "fan_out", settings, _TIMEOUT)
        self._data.table.allow(function, "GetItem", "PutItem", leading_keys=(_TENANTS,))
        function.allow(["sqs:SendMessage"], deliveries.queue_arn)
        self._consume(function, announced, batch_size=10, at_once=10)

    def _deliver(self, deliveries: sqs.Queue) -> None:
        """One message a call: no target holds up another one's message."""
        settings = {"DELIVERIES_QUEUE_URL": deliveries.queue_url, **self._own_settings()}
        function = self._function("Deliver", "deliver", settings, _TIMEOUT)
        self._data.table.allow(
            function, "GetItem", "BatchGetItem", "PutItem", "UpdateItem", leading_keys=(_TENANTS,)
        )
        function.allow(["secretsmanager:GetSecretValue"], self._secret.secret_arn)
        function.allow(["sqs:SendMessage"], deliveries.queue_arn)
        self._consume(function, deliveries, batch_size=1, at_once=_DELIVERIES_AT_ONCE)

    def _consume(
        self, function: ControlPlaneFunction, queue: sqs.Queue, *, batch_size: int, at_once: int
    ) -> None:
        function.allow(
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
            ],
            queue.queue_arn,
        )
        lambda_.CfnEventSourceMapping(
            self,
            f"{queue.node.id}Mapping",
            function_name=function.function_arn,
            event_source_arn=queue.queue_arn,
            batch_size=batch_size,
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
                maximum_concurrency=at_once
            ),
            function_response_types=["ReportBatchItemFailures"],
        ).node.add_dependency(function.role)

    def _own_settings(self) -> dict[str, str]:
        """On AWS nothing points at this machine; there the setting is left out, and off."""
        loopback = {} if self._target.on_aws else {"WEBHOOKS_ALLOW_LOOPBACK": "true"}
        return {"WEBHOOK_SECRET_ARN": self._secret.secret_arn, **loopback}
