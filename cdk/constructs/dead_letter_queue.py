"""Queues that keep what could not be delivered or processed."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from cdk.constructs.acknowledgments import acknowledge


class DeadLetterQueue(sqs.Queue):
    """Encrypted, TLS only, and kept for as long as SQS allows, so that people have time to look."""

    def __init__(
        self, scope: Construct, id: str, *, fifo: bool = False, of_queue: bool = False
    ) -> None:
        """`fifo` for what a FIFO queue's messages become, `of_queue` for those of another queue."""
        super().__init__(
            scope,
            id,
            fifo=fifo or None,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        # cdk-nag sees by itself what is the dead-letter queue of a queue.
        if not (fifo or of_queue):
            acknowledge(
                self, "SQS3", "It is the dead-letter queue: of a rule, a function or a stream"
            )
