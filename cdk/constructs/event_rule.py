"""A rule with its target, its retries and the queue for what could not be delivered."""

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from cdk.constructs.control_plane_function import ControlPlaneFunction
from cdk.constructs.dead_letter_queue import DeadLetterQueue


class EventRule(events.Rule):
    """Hands the whole event to one target: the first thing it reaches parses it.

    `bus` is None for the account's default bus, where AWS's own services publish. What cannot be
    delivered within a day lies in `undelivered`, in the rule's own stack.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        description: str,
        pattern: events.EventPattern,
        bus: events.IEventBus | None = None,
    ) -> None:
        super().__init__(scope, id, description=description, event_pattern=pattern, event_bus=bus)
        self.undelivered = DeadLetterQueue(scope, f"{id}Undelivered")
        self._delivery: dict[str, Any] = {
            "dead_letter_queue": self.undelivered,
            "retry_attempts": 48,
            "max_event_age": Duration.hours(24),
        }

    def start(self, machine: sfn.IStateMachine) -> None:
        """Start an execution of the state machine; its input is the event."""
        self.add_target(targets.SfnStateMachine(machine, **self._delivery))

    def enqueue(self, queue: sqs.IQueue) -> None:
        """Put the event on the queue."""
        self.add_target(targets.SqsQueue(queue, **self._delivery))

    def call(self, function: ControlPlaneFunction) -> None:
        """Invoke the function; events that it fails on go to the same queue."""
        self.add_target(targets.LambdaFunction(function, **self._delivery))
        function.keep_failed_events(self.undelivered)
