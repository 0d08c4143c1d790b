"""The envelope in which every event travels, and the correlation that it carries."""

import json
from datetime import UTC, datetime

import pytest

from controlplane.events import DomainEvent, correlated, current_correlation
from controlplane.projects.model import ProjectCreated
from controlplane.registry.model import ModelVersionRegistered
from controlplane.serving.deployment_events import RolloutEnded
from controlplane.serving.model import RolloutState


def created() -> ProjectCreated:
    return ProjectCreated(tenant_id="acme", project="vision", created_by="ada")


def subclasses(cls: type[DomainEvent]) -> set[type[DomainEvent]]:
    return {cls}.union(*(subclasses(sub) for sub in cls.__subclasses__()))


def test_an_envelope_has_cloudevents_attributes_and_the_payload_apart() -> None:
    moment = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    event = created().model_copy(update={"occurred_at": moment})

    envelope = event.envelope()

    assert (envelope["id"], envelope["source"]) == (event.event_id, "headrace.projects")
    assert envelope["detail_type"] == "ProjectCreated"
    metadata = envelope["detail"]["metadata"]
    assert metadata == {
        "specversion": "1.0",
        "id": event.event_id,
        "source": "headrace.projects",
        "type": "ProjectCreated",
        "time": "2026-05-01T12:00:00.250Z",
        "subject": "projects/vision",
        "dataschema": "events/schemas/ProjectCreated.json",
        "tenant_id": "acme",
        "actor": "system",
        "correlation_id": event.correlation_id,
        "causation_id": None,
    }
    assert envelope["detail"]["data"] == {"project": "vision", "created_by": "ada"}


def test_an_envelope_is_json_as_it_is() -> None:
    event = RolloutEnded(
        tenant_id="acme",
        project="vision",
        deployment="digits",
        rollout_id="r-00000001",
        model_version=1,
        state=RolloutState.TIMED_OUT,
        reason=None,
        needs_execution=False,
    )

    data = json.loads(json.dumps(event.envelope()))["detail"]["data"]

    assert (data["state"], data["needs_execution"]) == ("TimedOut", False)


def test_events_of_one_piece_of_work_belong_together() -> None:
    with correlated("work-1", "cause-1"):
        first, second = created(), created()
        with correlated("work-2"):
            inner = created()
        outer = created()

    assert {e.correlation_id for e in (first, second, outer)} == {"work-1"}
    assert {e.causation_id for e in (first, second, outer)} == {"cause-1"}
    assert (inner.correlation_id, inner.causation_id) == ("work-2", None)
    assert first.event_id != second.event_id


def test_work_without_a_correlation_begins_one() -> None:
    assert current_correlation() != current_correlation()
    assert created().correlation_id != created().correlation_id


def test_a_correlation_ends_with_its_work_also_when_that_fails() -> None:
    with pytest.raises(ValueError, match="broken"), correlated("work-1"):
        raise ValueError("broken")
    assert created().correlation_id != "work-1"


def test_every_event_names_its_capability_and_its_subject() -> None:
    announced = {cls for cls in subclasses(DomainEvent) if not cls.__subclasses__()}

    assert ModelVersionRegistered in announced
    for cls in announced:
        home, module = cls.__module__.rsplit(".", 1)
        assert home == f"controlplane.{cls.capability}"
        assert module == "model" or module.endswith("_events")
        assert cls.subject is not DomainEvent.subject


def test_an_event_without_a_subject_cannot_be_announced() -> None:
    with pytest.raises(TypeError, match="DomainEvent"):
        _ = DomainEvent(tenant_id="acme").subject
