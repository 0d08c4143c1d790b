"""Every event of Headrace that the bus carried, as a subscriber outside would see it."""

import json
from typing import Any

from tests.stack.caller import Json


class EventLog:
    """A queue that a rule of the tests feeds, read into a list."""

    def __init__(self, events: Any, queues: Any, bus: str, pattern: Json, name: str) -> None:
        self._queues = queues
        self._url = str(queues.create_queue(QueueName=name)["QueueUrl"])
        attributes = queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
        events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
        self._seen: list[Json] = []

    def all(self) -> list[Json]:
        """All events since the subscription, in the order of arrival."""
        while messages := self._receive():
            for message in messages:
                self._seen.append(json.loads(message["Body"]))
                self._queues.delete_message(
                    QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"]
                )
        return list(self._seen)

    def of_project(self, project: str) -> list[Json]:
        return [event for event in self.all() if _project(event) == project]

    def _receive(self) -> list[Json]:
        answer = self._queues.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0
        )
        return list(answer.get("Messages", []))


def _project(event: Json) -> str | None:
    data = event["detail"].get("data", {})
    name = data.get("project") or data.get("name")
    return str(name) if name else None
