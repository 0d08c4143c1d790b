"""The way from the table's stream to the audit chains, on moto: queue, recorder, dead letters."""

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.functions.api_calls import invoke
from tests.functions.cloud import Cloud
from tests.functions.container import forget_wiring
from tests.functions.samples import Json

_numbers = itertools.count(1)


@dataclass
class Trail:
    """Carries changes from the stream into the chains when a test says so; `seen` records were forwarded.

    What the recorder gives back waits in `returned`: moto does not hand it out in its order again.
    """

    cloud: Cloud
    queue: str
    dead_letters: str
    seen: int = field(default=0)
    returned: list[Json] = field(default_factory=list)

    @classmethod
    def create(cls, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> "Trail":
        number, made = next(_numbers), []
        for name in ("changes", "dead-letters"):
            answer = cloud.clients.sqs.create_queue(
                QueueName=f"{name}-{number}.fifo",
                Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"},
            )
            made.append(answer["QueueUrl"])
        trail = cls(cloud, *made)
        monkeypatch.setenv("AUDIT_QUEUE_URL", trail.queue)
        monkeypatch.setenv("DEAD_LETTERS_URL", trail.dead_letters)
        forget_wiring()
        return trail

    def forward(self) -> list[Json]:
        """Hand the recorder's function of the stream what is new in it; the failures that it answers."""
        records = self.cloud.stream_records()["Records"][self.seen :]
        self.seen += len(records)
        failures: list[Json] = []
        for start in range(0, len(records), 100):
            batch = {"Records": records[start : start + 100]}
            failures += invoke("auditing/forward_changes", batch)["batchItemFailures"]
        return failures

    def waiting(self) -> list[Json]:
        """The queue's next messages, as Lambda hands a batch to its function."""
        found = self.cloud.clients.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"]
        )
        return [sqs_record(message) for message in found.get("Messages", [])]

    def take_all(self) -> list[Json]:
        """Take everything that waits off the queue."""
        taken: list[Json] = []
        while batch := self.waiting():
            for message in batch:
                self._delete(message)
            taken += batch
        return taken

    def _delete(self, message: Json) -> None:
        self.cloud.clients.sqs.delete_message(
            QueueUrl=self.queue, ReceiptHandle=message["receiptHandle"]
        )

    def record(self) -> list[str]:
        """Record all that waits, up to a failure; the ids of messages that failed."""
        while batch := self.returned or self.waiting():
            answer = invoke("auditing/record_changes", {"Records": batch})
            failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
            for message in batch:
                self._delete(message)
            self.returned = [message for message in batch if message["messageId"] in failed]
            if failed:
                return failed
        return []

    def run(self) -> None:
        assert self.forward() == []
        assert self.record() == [], "messages come again: see the log"

    def chain(self, partition: str = "TENANT#acme#AUDIT") -> list[Json]:
        """The records of a chain, by number."""
        items = [item for item in self.cloud.items() if item["pk"] == partition]
        records = [item for item in items if item["sk"].startswith("RECORD#")]
        return sorted(records, key=lambda item: item["sk"])

    def change_item(self, sk: str, partition: str = "TENANT#acme#AUDIT", **attributes: Any) -> None:
        """Tamper with an item, as somebody does who can write the table."""
        item = self.cloud.item(partition, sk)
        assert item, sk
        self.cloud.put(
            partition, sk, **({k: v for k, v in item.items() if k not in ("pk", "sk")} | attributes)
        )

    def delete_item(self, sk: str, partition: str = "TENANT#acme#AUDIT") -> None:
        key = {"pk": {"S": partition}, "sk": {"S": sk}}
        self.cloud.clients.dynamodb.delete_item(TableName=self.cloud.table, Key=key)

    def letters(self) -> list[str]:
        found = self.cloud.clients.sqs.receive_message(
            QueueUrl=self.dead_letters, MaxNumberOfMessages=10
        )
        return [message["Body"] for message in found.get("Messages", [])]


def sqs_record(message: Json) -> Json:
    """A message as Lambda's poller passes it on."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {
            name: message["Attributes"][name]
            for name in ("MessageGroupId", "MessageDeduplicationId", "SentTimestamp")
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "awsRegion": "us-east-1",
    }
