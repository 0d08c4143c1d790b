"""The event bus."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from controlplane.errors import UnavailableError

if TYPE_CHECKING:
    from types_boto3_events.client import EventBridgeClient

MAX_ENTRIES = 10  # of one PutEvents request


class EventBridgeBus:
    """An EventBus. Entries that EventBridge refuses are reported one by one, a failed request as a whole."""

    def __init__(self, client: "EventBridgeClient", name: str) -> None:
        self._client = client
        self._name = name

    def publish(self, events: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        taken: list[bool] = []
        for start in range(0, len(events), MAX_ENTRIES):
            taken += self._put(events[start : start + MAX_ENTRIES])
        return taken

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
