"""Messages become records: in order, once, and whatever comes, the chain goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from controlplane.auditing.chain import first_fault
from controlplane.auditing.model import START, UNREADABLE, Change
from controlplane.auditing.recording import Message, Outcome, record_group
from controlplane.errors import ConcurrentChangeError, UnavailableError
from tests.fakes import MemoryAnchors, MemoryAudit, MemoryDeadLetters
from tests.unit.auditing.chains import KEYS, TENANT, change, entries


@dataclass
class Recorder:
    audit: MemoryAudit = field(default_factory=MemoryAudit)
    anchors: MemoryAnchors = field(default_factory=MemoryAnchors)
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)

    def record(self, messages: Sequence[Message]) -> Outcome:
        return record_group(
            messages,
            ledger=self.audit,
            anchors=self.anchors,
            keys=KEYS,
            dead_letters=self.letters,
        )

    @property
    def events(self) -> list[str]:
        return [record.event_id for record in self.audit.chain(TENANT)]

    def is_sound(self) -> bool:
        return first_fault(TENANT, entries(self.audit.chain(TENANT)), START, KEYS) is None


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def message(given: Change | str, number: int = 0, group: str = TENANT) -> Message:
    body = given if isinstance(given, str) else given.model_dump_json(exclude_none=True)
    return Message(f"m{number}", group, body)


def messages(numbers: range) -> list[Message]:
    return [message(change(number), number) for number in numbers]


def test_batches_continue_one_chain_in_their_order(recorder: Recorder) -> None:
    for batch in (range(10), range(10, 11), range(11, 20)):
        assert not recorder.record(messages(batch)).failed

    assert recorder.events == [f"e{number}" for number in range(20)]
    assert recorder.is_sound()
    assert recorder.anchors.links[TENANT][-1] == recorder.audit.head(TENANT)


def test_change_that_comes_again_is_recorded_once(recorder: Recorder) -> None:
    recorder.record(messages(range(3)))

    outcome = recorder.record(messages(range(1, 5)))

    assert not outcome.failed
    assert recorder.events == [f"e{number}" for number in range(5)]


def test_change_that_comes_twice_in_a_batch_is_recorded_once(recorder: Recorder) -> None:
    recorder.record([*messages(range(2)), *messages(range(2))])

    assert recorder.events == ["e0", "e1"]


def test_everything_after_a_failure_comes_again(recorder: Recorder) -> None:
    recorder.record(messages(range(1)))
    recorder.audit.failures.append(UnavailableError("the table did not answer"))

    outcome = recorder.record(messages(range(1, 11)))

    assert outcome.failed == [f"m{number}" for number in range(1, 11)]
    assert isinstance(outcome.error, UnavailableError)
    assert recorder.events == ["e0"]


def test_what_was_recorded_before_a_failure_stays(recorder: Recorder) -> None:
    """A batch is more than one transaction: the second one fails."""

    class FailsLater(MemoryAudit):
        def append(self, *given: object) -> None:
            if self.chain(TENANT):
                raise UnavailableError("the table did not answer")
            super().append(*given)  # type: ignore[arg-type]

    recorder.audit = FailsLater()

    outcome = recorder.record(messages(range(10)))

    assert recorder.events == [f"e{number}" for number in range(8)]
    assert outcome.failed == ["m8", "m9"]


def test_chain_that_has_grown_meanwhile_is_read_again(recorder: Recorder) -> None:
    recorder.audit.failures.append(ConcurrentChangeError("another recorder"))

    assert not recorder.record(messages(range(2))).failed
    assert recorder.events == ["e0", "e1"]


def test_chain_that_always_grows_meanwhile_fails_the_messages(recorder: Recorder) -> None:
    recorder.audit.failures += [ConcurrentChangeError("another recorder")] * 3

    assert recorder.record(messages(range(2))).failed == ["m0", "m1"]


@pytest.mark.parametrize(
    "body", ["no JSON", "{}", change(1, "globex").model_dump_json(), '{"tenant_id": "acme"}']
)
def test_message_that_cannot_be_recorded_leaves_a_mark_and_holds_up_nothing(
    recorder: Recorder, body: str
) -> None:
    """Among them one about another tenant: a group is one tenant's."""
    given = [message(change(0), 0), message(body, 1), message(change(2), 2)]

    outcome = recorder.record(given)

    assert not outcome.failed
    assert recorder.events == ["e0", "messages/m1", "e2"]
    mark = recorder.audit.chain(TENANT)[1]
    assert (mark.action, mark.resource, len(mark.after or "")) == (UNREADABLE, "messages/m1", 64)
    assert recorder.letters.letters == [(TENANT, "m1", body)]
    assert recorder.is_sound()


def test_chain_goes_on_without_anchors_and_the_next_one_covers_it(recorder: Recorder) -> None:
    recorder.anchors.available = False
    (recorded,) = recorder.record(messages(range(2))).recorded
    recorder.anchors.available = True
    recorder.record(messages(range(2, 3)))

    assert not recorded.anchored
    assert recorder.anchors.links[TENANT] == [recorder.audit.head(TENANT)]
    assert recorder.events == ["e0", "e1", "e2"]
