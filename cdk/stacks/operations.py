"""What only AWS gets: the archive of the bus, and alarms that reach an operator."""

from collections.abc import Sequence

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk.stacks.auditing import AuditingStack
from cdk.stacks.events import EventsStack
from cdk.stacks.webhooks import WebhooksStack

# Seconds: twice as long as a delivery may lie in its queue because it was put off.
_DELIVERIES_LATE = 1800


class OperationsStack(Stack):
    """Each alarm means work for a person: something was not delivered, or late, or failed."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        events_stack: EventsStack,
        machines: Sequence[sfn.StateMachine],
        queues: Sequence[sqs.IQueue],
        audit: AuditingStack,
        webhooks: WebhooksStack,
        api_id: str,
    ) -> None:
        """`queues` are those of dead letters."""
        super().__init__(scope, id)
        events_stack.bus.archive(
            "Archive",
            description="Every event of Headrace, to be replayed",
            # An empty pattern would be refused; every event of ours has an account.
            event_pattern=events.EventPattern(account=[self.account]),
            retention=Duration.days(90),
        )
        self._topic = self._alarm_topic()
        for queue in queues:
            self._alarm(
                f"Queue{queue.node.id}{queue.stack.stack_name.rsplit('-', 1)[-1]}",
                queue.metric_approximate_number_of_messages_visible(statistic="Maximum"),
                "Events or records wait in a dead-letter queue: see what failed, then redrive",
            )
        self._watch_audit(audit)
        self._watch_webhooks(webhooks)
        self._alarm(
            "PublisherLate",
            events_stack.publish.metric("IteratorAge", statistic="Maximum"),
            "Changes of the table reach the bus late: the publisher fails or is throttled",
            threshold=60_000,  # milliseconds
        )
        for machine in machines:
            self._alarm(
                f"{machine.node.scope.node.id}Failed",
                machine.metric_failed(),
                "An execution failed without recording it; look at its history",
            )
        self._alarm(
            "ApiErrors",
            cloudwatch.Metric(
                namespace="AWS/ApiGateway",
                metric_name="5xx",
                dimensions_map={"ApiId": api_id},
                statistic="Sum",
            ),
            "The API answers with server errors",
            threshold=5,
        )
        CfnOutput(self, "AlarmTopicArn", value=self._topic.topic_arn)

    def _watch_audit(self, audit: AuditingStack) -> None:
        self._alarm(
            "AuditForwarderLate",
            audit.forward.metric("IteratorAge", statistic="Maximum"),
            "Changes of the table reach the audit queue late: the function fails or is throttled",
            threshold=60_000,  # milliseconds
        )
        self._alarm(
            "AuditRecorderLate",
            audit.changes.metric_approximate_age_of_oldest_message(statistic="Maximum"),
            "Changes wait to be recorded: the recorder fails or is throttled",
            threshold=300,  # seconds
        )

    def _watch_webhooks(self, webhooks: WebhooksStack) -> None:
        self._alarm(
            "WebhookEventsLate",
            webhooks.announced.metric_approximate_age_of_oldest_message(statistic="Maximum"),
            "Events wait to be told to webhooks: the function fails or is throttled",
            threshold=300,  # seconds
        )
        self._alarm(
            "WebhookDeliveriesLate",
            webhooks.deliveries.metric_approximate_age_of_oldest_message(statistic="Maximum"),
            "Deliveries wait longer than they are put off: the function fails or is throttled",
            threshold=_DELIVERIES_LATE,
        )

    def _alarm_topic(self) -> sns.Topic:
        key = kms.Key(self, "AlarmKey", description="Headrace's alarms", enable_key_rotation=True)
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],  # in a key's policy: this key
            )
        )
        return sns.Topic(self, "Alarms", master_key=key, enforce_ssl=True)

    def _alarm(
        self, id: str, metric: cloudwatch.IMetric, description: str, *, threshold: int = 0
    ) -> None:
        cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=description,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        ).add_alarm_action(actions.SnsAction(self._topic))
