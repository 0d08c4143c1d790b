"""The event bus."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError

if TYPE_CHECKING:
    from types_boto3_events.client import EventBridgeClient

MAX_ENTRIES = 10  # of one PutEvents request


class EventBridgeBus:
    """An EventBus. Entries that EventBridge refuses are reported one by one, a failed request as a whole.

    An event's aliases follow right after it, and it is taken only if all of them are: one that is published again
    because of an alias is a repeat that every consumer must be ready for.
    """

    def __init__(self, client: "EventBridgeClient", name: str) -> None:
        self._client = client
        self._name = name

    def publish(self, events: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        announced = [[event, *event.get("also", ())] for event in events]
        entries = [entry for group in announced for entry in group]
        answers: list[bool] = []
        for start in range(0, len(entries), MAX_ENTRIES):
            answers += self._put(entries[start : start + MAX_ENTRIES])
        taken = iter(answers)
        return [all(tuple(islice(taken, len(group)))) for group in announced]

    def _put(self, events: Sequence[Mapping[str, Any]]) -> list[bool]:
        try:
            answer = self._client.put_events(
                Entries=[
                    {
                        "EventBusName": self._name,
                        "Source": event["source"],
                        "DetailType": event["detail_type"],
                        "Detail": event["detail"],
                    }
                    for event in events
                ]
            )
        except (ClientError, BotoCoreError) as failed:
            raise UnavailableError("the event bus did not answer") from failed
        return ["ErrorCode" not in entry for entry in answer["Entries"]]
