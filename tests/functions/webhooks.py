"""Webhooks of acme on moto: its administrator's calls, the two queues, and what is carried between them."""

import itertools
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from controlplane.identifiers import now
from tests.functions.api_calls import Answer, Api, invoke
from tests.functions.cloud import Cloud
from tests.functions.container import forget_wiring
from tests.functions.people import ADMIN
from tests.functions.samples import Json, on_the_bus, sample

_numbers = itertools.count(1)


@dataclass
class Hooks:
    """Messages are handed out when a test says so; those that are put off lie in `later` with their delay."""

    call: Api
    cloud: Cloud
    queue: str
    told: set[str] = field(default_factory=set)

    @classmethod
    def create(cls, call: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> "Hooks":
        made = cloud.clients.sqs.create_queue(
            QueueName=f"deliveries-{next(_numbers)}", Attributes={"VisibilityTimeout": "0"}
        )
        monkeypatch.setenv("DELIVERIES_QUEUE_URL", made["QueueUrl"])
        monkeypatch.setenv("WEBHOOKS_ALLOW_LOOPBACK", "true")
        forget_wiring()
        return cls(call, cloud, made["QueueUrl"])

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        options = {"role": ADMIN} | options
        return self.call(method, path, body, **options)

    def add(self, url: str, name: str = "pager", **wanted: Any) -> Json:
        made = self.ask("POST", "/webhooks", {"name": name, "url": url} | wanted)
        assert made.status == 201, made.body
        shown: Json = made.json
        return shown

    def create_project(self, name: str) -> None:
        assert self.ask("POST", "/projects", {"name": name}).status == 201

    def redeliver(self, shown: Json, **options: Any) -> Answer:
        path = f"/webhooks/{shown['webhook']}/deliveries/{shown['delivery']}/redeliver"
        return self.ask("POST", path, **options)

    def announce(self) -> None:
        """Every event of the table that was not announced yet goes through the queue of events."""
        for item in self.cloud.items():
            if "event" in item and item["event"]["id"] not in self.told:
                self.told.add(item["event"]["id"])
                self.fan_out(on_the_bus(item["event"]))

    def tell(self, project: str = "vision", tenant: str = "acme") -> Json:
        """A version was registered: one more event on the bus."""
        event = sample("model_version_registered")
        metadata = event["detail"]["metadata"]
        moment = now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        metadata |= {"id": str(uuid4()), "tenant_id": tenant, "time": moment}
        event["detail"]["data"]["project"] = project
        self.fan_out(event)
        return event

    def fan_out(self, event: Json) -> Json:
        record = sqs_record("an-event", json.dumps(event))
        answered: Json = invoke("webhooks/fan_out", {"Records": [record]})
        return answered

    def take(self) -> list[Json]:
        """The messages in the queue, whose delays moto keeps; they are gone from it."""
        taken = []
        sqs = self.cloud.clients.sqs
        while found := sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, AttributeNames=["All"]
        ).get("Messages", []):
            for message in found:
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            taken += [sqs_record(message["MessageId"], message["Body"]) for message in found]
        return taken

    def deliver(self, record: Json, received: int = 1) -> list[Json]:
        """Hand one message out; what of it must come again."""
        record["attributes"]["ApproximateReceiveCount"] = str(received)
        answered: Json = invoke("webhooks/deliver", {"Records": [record]})
        failures: list[Json] = answered["batchItemFailures"]
        return failures

    def deliver_all(self) -> int:
        """What is in the queue by now, each once."""
        taken = self.take()
        for record in taken:
            assert self.deliver(record) == []
        return len(taken)

    def deliveries(self, name: str = "pager", **options: Any) -> list[Json]:
        found: list[Json] = self.ask("GET", f"/webhooks/{name}/deliveries", **options).json["items"]
        return found

    def delivery(self, delivery_id: str, name: str = "pager") -> Json:
        found: Json = self.ask("GET", f"/webhooks/{name}/deliveries/{delivery_id}").json
        return found

    def notice(self, shown: Json, **changes: Any) -> Json:
        """A message about a delivery as its sender would write it, due at once unless told otherwise."""
        body = {
            "tenant_id": "acme",
            "webhook": shown["webhook"],
            "delivery_id": shown["delivery"],
            "correlation_id": "again",
            "attempt": shown["made"],
        }
        return sqs_record("a-notice", json.dumps(body | changes))


def sqs_record(message_id: str, body: str) -> Json:
    """A message of a standard queue as Lambda's poller passes it on."""
    return {
        "messageId": message_id,
        "receiptHandle": "receipt",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772442900000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "awsRegion": "us-east-1",
    }
