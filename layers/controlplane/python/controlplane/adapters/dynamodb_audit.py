"""Chains of audit records, each in a partition of its own: TENANT#<tenant>#AUDIT, or PLATFORM#AUDIT.

    RECORD#<sequence, 12 digits>         the chain
    HEAD                                 sequence and hash of its last record
    EVENT#<event id>                     that the event is recorded, for as long as it may be delivered again
    ALL#<time>#<sequence>                copies of the record, by which lists find it: in one query, the latest first
    ACTOR#<actor>#<time>#<sequence>
    RESOURCE#<path>#<time>#<sequence>    one for the resource, and one for each that it lies below

The copies carry the record's hash, so that each can be checked as it is shown.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from pydantic import ValidationError

from controlplane.adapters.dynamodb_items import as_item, seconds
from controlplane.adapters.dynamodb_table import Item, Key, Table, Write
from controlplane.auditing.model import START, AuditRecord, Entry, Filter, Link
from controlplane.identifiers import PLATFORM
from controlplane.requests import Page, PageRequest

RECORD = "RECORD#"
# Failed batches of the stream are kept for 90 days; after that no event comes again.
MARK_LIFETIME = timedelta(days=100)
MAX_ANCESTORS = 8
_NEW = "attribute_not_exists(pk)"


def audit_partition(tenant_id: str) -> str:
    return "PLATFORM#AUDIT" if tenant_id == PLATFORM else f"TENANT#{tenant_id}#AUDIT"


class DynamoDBAudit:
    """An AuditLedger and an AuditTrail."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def state(self, tenant_id: str, event_ids: Sequence[str]) -> tuple[Link, frozenset[str]]:
        head, marks = _head_key(tenant_id), {_mark_key(tenant_id, e): e for e in event_ids}
        found = self._table.get_many([head, *marks])
        known = frozenset(event_id for key, event_id in marks.items() if key in found)
        return _head(found.get(head)), known

    def append(self, tenant_id: str, head: Link, records: Sequence[AuditRecord]) -> None:
        writes = [write for record in records for write in _writes(tenant_id, record)]
        self._table.transact([*writes, _move_head(tenant_id, head, records[-1])])

    def head(self, tenant_id: str) -> Link:
        return _head(self._table.get(_head_key(tenant_id)))

    def entries(self, tenant_id: str, after: int, limit: int) -> Page[Entry]:
        start = PageRequest(limit, f"{RECORD}{after:012d}")
        found = self._table.query(audit_partition(tenant_id), RECORD, start)
        return Page([_entry(item) for item in found.items], found.next_after)

    def find(self, tenant_id: str, wanted: Filter, page: PageRequest) -> Page[AuditRecord]:
        prefix = _prefix(wanted)
        if page.after is None and wanted.until is not None:
            # The start of a query may be a key that no item has: here the first one that is too late.
            page = PageRequest(page.limit, prefix + _sortable(wanted.until))
        found = self._table.query(audit_partition(tenant_id), prefix, page, newest=True)
        records = [record for item in found.items if (record := _record(item))]
        since = wanted.since
        in_time = [r for r in records if since is None or r.time >= since]
        shown = [r for r in in_time if wanted.actor in (None, r.actor)]
        return Page(shown, found.next_after if len(in_time) == len(records) else None)


def _head_key(tenant_id: str) -> Key:
    return Key(audit_partition(tenant_id), "HEAD")


def _mark_key(tenant_id: str, event_id: str) -> Key:
    return Key(audit_partition(tenant_id), f"EVENT#{event_id}")


def _head(item: Item | None) -> Link:
    return Link(item["sequence"], item["hash"]) if item else START


def _writes(tenant_id: str, record: AuditRecord) -> Iterator[Write]:
    partition = audit_partition(tenant_id)
    place = Key(partition, f"{RECORD}{record.sequence:012d}")
    yield Write(place, item=as_item(place, record), condition=_NEW)
    expires_at = seconds(record.recorded_at + MARK_LIFETIME)
    mark = {"sequence": record.sequence, "expires_at": expires_at}
    yield Write(_mark_key(tenant_id, record.event_id), item=mark, condition=_NEW)
    for prefix in _prefixes(record):
        copy = Key(partition, f"{prefix}{_sortable(record.time)}#{record.sequence:012d}")
        yield Write(copy, item=as_item(copy, record))


def _move_head(tenant_id: str, head: Link, last: AuditRecord) -> Write:
    moved = {"sequence": last.sequence, "hash": last.hash}
    if head == START:
        return Write(_head_key(tenant_id), item=moved, condition=_NEW)
    return Write(
        _head_key(tenant_id),
        item=moved,
        condition="#sequence = :sequence AND #hash = :hash",
        names={"#sequence": "sequence", "#hash": "hash"},
        values={":sequence": head.sequence, ":hash": head.hash},
    )


def _prefixes(record: AuditRecord) -> Iterator[str]:
    """Of the sort keys under which lists find the record."""
    yield _prefix(Filter())
    yield _prefix(Filter(actor=record.actor))
    segments = record.resource.split("/")[:MAX_ANCESTORS]
    for end in range(1, len(segments) + 1):
        yield _prefix(Filter(resource="/".join(segments[:end])))


def _prefix(wanted: Filter) -> str:
    if wanted.resource is not None:
        return f"RESOURCE#{quote(wanted.resource)}#"
    if wanted.actor is not None:
        return f"ACTOR#{quote(wanted.actor, safe=':')}#"
    return "ALL#"


def _sortable(moment: datetime) -> str:
    """Text whose order is that of time, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _entry(item: Item) -> Entry:
    place = item["sk"].removeprefix(RECORD)
    return Entry(int(place) if place.isdecimal() else -1, _record(item))


def _record(item: Item) -> AuditRecord | None:
    """None for what is no audit record, with a field too many among others: nobody else should write here."""
    content = {name: value for name, value in item.items() if name not in ("pk", "sk")}
    try:
        return AuditRecord.model_validate(content)
    except ValidationError:
        return None
