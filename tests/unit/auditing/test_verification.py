"""A chain is checked stretch by stretch, while the recorder goes on."""

from dataclasses import dataclass, field

import pytest

from controlplane.auditing.chain import link_changes, link_of
from controlplane.auditing.model import START, Entry, FaultKind, Link, Verification
from controlplane.auditing.verification import verify_chain
from controlplane.requests import Page
from tests.fakes import MemoryAnchors, MemoryAudit
from tests.fakes.clock import START as MOMENT
from tests.unit.auditing.chains import KEYS, TENANT, chain, change


@dataclass
class Stored:
    """A chain of 25 records; `busy`: two more are recorded just before each look at the records."""

    audit: MemoryAudit = field(default_factory=MemoryAudit)
    anchors: MemoryAnchors = field(default_factory=MemoryAnchors)

    def __post_init__(self) -> None:
        self.audit.append(TENANT, START, chain(25))
        for index in (4, 24):
            self.anchors.keep(TENANT, link_of(self.audit.chain(TENANT)[index]))

    def record(self, count: int) -> None:
        head = self.audit.head(TENANT)
        fresh = [change(head.sequence + number) for number in range(count)]
        self.audit.append(TENANT, head, link_changes(fresh, head, MOMENT, KEYS))
        self.anchors.keep(TENANT, self.audit.head(TENANT))

    def verify(self, limit: int = 10) -> list[Verification]:
        stretches: list[Verification] = []
        after = START
        while not stretches or not (stretches[-1].complete or stretches[-1].fault):
            found = verify_chain(
                TENANT, after, limit, trail=self.audit, anchors=self.anchors, keys=KEYS
            )
            stretches.append(found)
            after = found.last
        return stretches

    def fault(self) -> tuple[int, FaultKind] | None:
        fault = self.verify()[-1].fault
        return (fault.sequence, fault.kind) if fault else None


@pytest.fixture
def stored() -> Stored:
    return Stored()


def test_sound_chain_is_checked_in_bounded_stretches(stored: Stored) -> None:
    stretches = stored.verify(10)

    assert [found.checked for found in stretches] == [10, 10, 5]
    assert [found.complete for found in stretches] == [False, False, True]
    assert stretches[-1].last == stored.audit.head(TENANT)
    assert not any(found.fault for found in stretches)


def test_no_chain_yet_is_sound() -> None:
    found = verify_chain("new", START, 10, trail=MemoryAudit(), anchors=MemoryAnchors(), keys=KEYS)

    assert (found.complete, found.fault, found.head) == (True, None, START)


@pytest.mark.parametrize("number", [1, 10, 11, 25])
def test_removed_record_is_found_in_whichever_stretch_it_lies(stored: Stored, number: int) -> None:
    del stored.audit.records[TENANT][number - 1]

    kind = FaultKind.TRUNCATED if number == 25 else FaultKind.MISSING
    assert stored.fault() == (number, kind)


def test_chain_that_was_cut_off_together_with_its_head_is_told_by_its_anchor(
    stored: Stored,
) -> None:
    del stored.audit.records[TENANT][20:]
    stored.audit.heads[TENANT] = link_of(stored.audit.chain(TENANT)[-1])

    assert stored.fault() == (21, FaultKind.TRUNCATED)


def test_chain_that_is_gone_altogether_is_told_by_its_anchor(stored: Stored) -> None:
    del stored.audit.records[TENANT], stored.audit.heads[TENANT]

    assert stored.fault() == (1, FaultKind.TRUNCATED)


def test_chain_that_was_made_anew_with_the_key_is_told_by_its_anchor(stored: Stored) -> None:
    made = chain(25)[:2]
    fresh = [change(100 + number) for number in range(23)]
    made += link_changes(fresh, link_of(made[-1]), MOMENT, KEYS)
    stored.audit.records[TENANT] = made
    stored.audit.heads[TENANT] = link_of(made[-1])

    assert stored.fault() == (5, FaultKind.ANCHOR_MISMATCH)


def test_head_that_was_set_back_is_told(stored: Stored) -> None:
    stored.audit.heads[TENANT] = link_of(stored.audit.chain(TENANT)[9])
    stored.anchors.links.clear()

    assert stored.fault() == (11, FaultKind.HEAD_MISMATCH)


def test_records_that_come_while_it_is_checked_are_no_fault(stored: Stored) -> None:
    class Busy(MemoryAudit):
        def entries(self, tenant_id: str, after: int, limit: int) -> Page[Entry]:
            if len(self.chain(tenant_id)) < 60:
                stored.record(2)
            found = super().entries(tenant_id, after, limit)
            if len(self.chain(tenant_id)) < 60:
                stored.record(1)
            return found

    stored.audit = Busy(stored.audit.records, stored.audit.heads)

    stretches = stored.verify(20)

    assert len(stretches) > 1
    assert not any(found.fault for found in stretches)
    assert stretches[-1].complete


def test_cursor_of_a_place_that_was_removed_since_goes_on_to_the_fault(stored: Stored) -> None:
    after = link_of(stored.audit.chain(TENANT)[9])
    stored.audit.records[TENANT] = stored.audit.records[TENANT][:8]

    found = verify_chain(TENANT, after, 10, trail=stored.audit, anchors=stored.anchors, keys=KEYS)

    assert found.fault is not None
    assert found.fault.kind is FaultKind.TRUNCATED
    assert isinstance(found.head, Link)
