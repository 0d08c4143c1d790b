"""A chain that was tampered with is found out, at the first bad record."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.auditing.chain import ChainKeys, anchor_fault, end_fault, first_fault, link_of
from controlplane.auditing.model import START, AuditRecord, Entry, FaultKind, Link
from tests.unit.auditing.chains import KEYS, TENANT, chain, entries

LENGTHS = st.integers(1, 12)
FORGED: dict[str, Any] = {
    "tenant_id": "globex",
    "event_id": "forged",
    "actor": "user:somebody",
    "action": "ProjectDeleted",
    "resource": "projects/other",
    "correlation_id": "forged",
    "causation_id": "forged",
    "before": "f" * 64,
    "after": None,
    "details": {"count": 1},
    "previous_hash": "e" * 64,
    "hash": "d" * 64,
}


def kind_of(records: list[Entry], tenant_id: str = TENANT) -> tuple[int, FaultKind] | None:
    fault = first_fault(tenant_id, records, START, KEYS)
    return (fault.sequence, fault.kind) if fault else None


@given(LENGTHS)
def test_sound_chain_has_no_fault(length: int) -> None:
    records = chain(length)

    assert first_fault(TENANT, entries(records), START, KEYS) is None
    assert [record.sequence for record in records] == list(range(1, length + 1))
    assert end_fault(link_of(records[-1]), link_of(records[-1]), [link_of(records[-1])]) is None


@given(LENGTHS, st.data())
def test_stretch_of_a_sound_chain_continues_the_record_before_it(
    length: int, data: st.DataObject
) -> None:
    records = chain(length)
    start = data.draw(st.integers(0, length - 1))
    after = link_of(records[start - 1]) if start else START

    assert first_fault(TENANT, entries(records[start:]), after, KEYS) is None


@given(LENGTHS, st.data())
def test_altered_field_is_found_at_its_record(length: int, data: st.DataObject) -> None:
    records = chain(length)
    index = data.draw(st.integers(0, length - 1))
    name = data.draw(st.sampled_from(sorted(AuditRecord.model_fields)))
    value = FORGED.get(name)
    if name in ("time", "recorded_at"):
        value = getattr(records[index], name).replace(year=2020)
    if name in ("sequence", "key"):
        value = getattr(records[index], name) + data.draw(st.sampled_from([-1, 1, 7]))
    places = entries(records)
    places[index] = Entry(index + 1, records[index].model_copy(update={name: value}))

    found = kind_of(places)

    assert found is not None
    assert found[0] == index + 1


@given(st.integers(2, 12), st.data())
def test_removed_record_is_found_at_its_place(length: int, data: st.DataObject) -> None:
    records = chain(length)
    index = data.draw(st.integers(0, length - 2))

    assert kind_of(entries(records[:index] + records[index + 1 :])) == (
        index + 1,
        FaultKind.MISSING,
    )


@given(st.integers(3, 12), st.data())
def test_removed_record_whose_successors_close_up_is_found(
    length: int, data: st.DataObject
) -> None:
    """Stored under the numbers that leave no gap."""
    records = chain(length)
    index = data.draw(st.integers(0, length - 2))
    left = records[:index] + records[index + 1 :]

    found = kind_of([Entry(place, record) for place, record in enumerate(left, 1)])

    assert found == (index + 1, FaultKind.MOVED)


@given(st.integers(2, 12), st.data())
def test_two_records_in_each_others_place_are_found_at_the_first(
    length: int, data: st.DataObject
) -> None:
    records = chain(length)
    first, second = sorted(
        data.draw(st.lists(st.integers(0, length - 1), min_size=2, max_size=2, unique=True))
    )
    moved = list(records)
    moved[first], moved[second] = moved[second], moved[first]

    found = kind_of([Entry(place, record) for place, record in enumerate(moved, 1)])

    assert found == (first + 1, FaultKind.MOVED)


@given(LENGTHS, st.data())
def test_inserted_record_is_found(length: int, data: st.DataObject) -> None:
    """A copy of a true record between others, which are stored one place further."""
    records = chain(length)
    copied, place = data.draw(st.sampled_from(records)), data.draw(st.integers(0, length))
    widened = [*records[:place], copied, *records[place:]]

    found = kind_of([Entry(number, record) for number, record in enumerate(widened, 1)])

    # Just before the record that it copies, it is that record which is one too many.
    before_itself = copied.sequence == place + 1
    assert found == (place + 1 + before_itself, FaultKind.MOVED)


@given(LENGTHS, st.data())
def test_chain_made_without_the_key_is_found_where_it_begins(
    length: int, data: st.DataObject
) -> None:
    records, index = chain(length), data.draw(st.integers(0, length - 1))
    forged = chain(length, keys=ChainKeys({1: b"a guess", 2: b"a guess"}))

    found = kind_of(entries(records[:index] + forged[index:]))

    assert found == (index + 1, FaultKind.ALTERED)


@given(st.integers(2, 12), st.data())
def test_true_records_of_two_pasts_do_not_make_one(length: int, data: st.DataObject) -> None:
    """What a table had once, before it was set back and went on, is put in again."""
    records = chain(length)
    other = [
        record.model_copy(update={"correlation_id": "another past", "hash": ""})
        for record in chain(1)
    ]
    resealed = other[0].model_copy(update={"hash": KEYS.hash_of(other[0])})

    found = kind_of(entries([resealed, *records[1:]]))

    assert found == (2, FaultKind.UNLINKED)


@given(LENGTHS, st.data())
def test_record_that_is_none_is_found(length: int, data: st.DataObject) -> None:
    places, index = entries(chain(length)), data.draw(st.integers(0, length - 1))
    places[index] = Entry(index + 1, None)

    assert kind_of(places) == (index + 1, FaultKind.ALTERED)


@given(LENGTHS)
def test_chain_of_another_tenant_is_found(length: int) -> None:
    assert kind_of(entries(chain(length, "globex"))) == (1, FaultKind.MOVED)


@given(st.integers(2, 12), st.data())
def test_cut_off_end_is_told_by_head_or_anchor(length: int, data: st.DataObject) -> None:
    links = [link_of(record) for record in chain(length)]
    kept = data.draw(st.integers(0, length - 1))
    last = links[kept - 1] if kept else START

    by_head = end_fault(last, links[-1], [])
    by_anchor = end_fault(last, last, links[-1:])

    for fault in (by_head, by_anchor):
        assert fault is not None
        assert (fault.sequence, fault.kind) == (kept + 1, FaultKind.TRUNCATED)


@pytest.mark.parametrize("head", [START, link_of(chain(4)[-1]), Link(5, "f" * 64)])
def test_head_that_is_not_the_last_record_is_told(head: Link) -> None:
    last = link_of(chain(5)[-1])

    fault = end_fault(last, head, [])

    assert fault is not None
    assert fault.kind is FaultKind.HEAD_MISMATCH


def test_anchor_tells_of_a_chain_that_was_made_anew() -> None:
    links = [link_of(record) for record in chain(5)]
    anchors = [links[1], Link(4, "0" * 64)]

    fault = anchor_fault(links, anchors)

    assert fault is not None
    assert (fault.sequence, fault.kind) == (4, FaultKind.ANCHOR_MISMATCH)
    assert anchor_fault(links, [links[1], links[4]]) is None


def test_older_keys_still_verify_and_the_newest_makes_new_links() -> None:
    old = chain(3, keys=ChainKeys({1: b"a key"}))

    assert {record.key for record in old} == {1}
    assert {record.key for record in chain(1)} == {2}
    assert first_fault(TENANT, entries(old), START, KEYS) is None


@pytest.mark.parametrize("secret", ["{}", '{"1": ""}', '{"one": "x"}', "x"])
def test_secret_without_keys_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ChainKeys.parse(secret)


def test_keys_do_not_show_themselves() -> None:
    assert "a key" not in repr(KEYS)
