"""The inputs of the state machine `VersionRegistration`'s tasks."""

from datetime import datetime
from typing import Any, Self

from controlplane.registry.arrival import Arrival, FileToCopy
from controlplane.registry.keys import tenant_of
from controlplane.registry.registration import CopiedFile, UploadReference
from controlplane.runtime.tasks import TaskInput


class ArrivalInput(TaskInput):
    """S3's event `Object Created`, as EventBridge hands it over, and the execution that it started."""

    key: str
    version_id: str | None = None
    sequencer: str
    arrived_at: datetime
    execution: str

    @classmethod
    def parse(cls, given: dict[str, Any]) -> Self:
        """From `{"event": <S3's event>, "execution": <ARN>}`; a chain of work begins with S3's event."""
        event = given["event"]
        stored = event["detail"]["object"]
        return cls(
            correlation_id=event["id"],
            causation_id=event["id"],
            key=stored["key"],
            version_id=stored.get("version-id"),
            sequencer=stored["sequencer"],
            arrived_at=event["time"],
            execution=given["execution"],
        )

    @property
    def arrival(self) -> Arrival:
        return Arrival(self.key, self.version_id, self.sequencer, self.arrived_at, self.execution)

    def log_context(self) -> dict[str, str]:
        return {"tenant_id": tenant_of(self.key) or "", "key": self.key}


class UploadInput(TaskInput):
    """An upload that was found sound."""

    reference: UploadReference

    def log_context(self) -> dict[str, str]:
        place = self.reference
        return {
            "tenant_id": place.tenant_id,
            "project": place.project,
            "model": place.model,
            "upload": place.upload_id,
        }


class CopyInput(UploadInput):
    file: FileToCopy


class ScanInput(UploadInput):
    copied: CopiedFile


class RegisterInput(UploadInput):
    copies: tuple[CopiedFile, ...]
    execution: str


class FailedArrivalInput(ArrivalInput):
    """An arrival whose execution could not finish; `error` is what a person is told."""

    error: str

    @classmethod
    def parse(cls, given: dict[str, Any]) -> Self:
        arrival = ArrivalInput.parse(given)
        return cls(**arrival.model_dump(), error=str(given["error"]))
