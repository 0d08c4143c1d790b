"""The chain of a tenant's audit records: how a link is made, and how the first bad one is found.

A hash is keyed (HMAC-SHA-256), so that whoever can write the table but has not the key cannot make a chain that
verifies. Cutting records off at the end leaves a chain that does: head and anchors tell that.
"""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from controlplane.auditing.digests import canonical_json
from controlplane.auditing.model import AuditRecord, Change, Entry, Fault, FaultKind, Link


@dataclass(frozen=True, repr=False)
class ChainKeys:
    """The secrets of the chain by their number; the highest one makes new links."""

    by_number: Mapping[int, bytes]

    @classmethod
    def parse(cls, secret: str) -> "ChainKeys":
        """From `{"1": "<text>", …}`. Raises ValueError."""
        keys = {int(number): str(text).encode() for number, text in json.loads(secret).items()}
        if not keys or not all(keys.values()):
            raise ValueError("the audit secret holds no key")
        return cls(keys)

    @property
    def newest(self) -> int:
        return max(self.by_number)

    def hash_of(self, record: AuditRecord) -> str | None:
        """The hash that the record must have, 64 hexadecimal digits; None when its key is unknown."""
        key = self.by_number.get(record.key)
        if key is None:
            return None
        content = canonical_json(record.model_dump(mode="json", exclude={"hash"}))
        return hmac.new(key, record.previous_hash.encode() + content, sha256).hexdigest()

    def made(self, record: AuditRecord) -> bool:
        """Whether the record's hash is its own."""
        expected = self.hash_of(record)
        return expected is not None and hmac.compare_digest(expected, record.hash)


def link_changes(
    changes: Sequence[Change], after: Link, moment: datetime, keys: ChainKeys
) -> list[AuditRecord]:
    """The records that continue a chain after a link, recorded at that moment."""
    records: list[AuditRecord] = []
    for change in changes:
        unsealed = AuditRecord(
            **change.model_dump(),
            sequence=after.sequence + 1,
            recorded_at=moment,
            key=keys.newest,
            previous_hash=after.hash,
        )
        record = unsealed.model_copy(update={"hash": keys.hash_of(unsealed)})
        records.append(record)
        after = link_of(record)
    return records


def link_of(record: AuditRecord) -> Link:
    return Link(record.sequence, record.hash)


def first_fault(
    tenant_id: str, entries: Sequence[Entry], after: Link, keys: ChainKeys
) -> Fault | None:
    """The first of the entries, in the order of their places, that does not continue the chain after a link."""
    for entry in entries:
        fault = _fault(tenant_id, entry, after, keys)
        if fault is not None:
            return fault
        assert entry.record is not None  # noqa: S101 - else it were a fault
        after = link_of(entry.record)
    return None


def _fault(tenant_id: str, entry: Entry, after: Link, keys: ChainKeys) -> Fault | None:
    expected, record = after.sequence + 1, entry.record
    if entry.position > expected:
        return _bad(expected, FaultKind.MISSING, "there is no record of this number")
    if entry.position < expected:
        return _bad(entry.position, FaultKind.MOVED, "the record stands behind later ones")
    if record is None:
        return _bad(expected, FaultKind.ALTERED, "what is stored is no audit record")
    if not keys.made(record):
        return _bad(expected, FaultKind.ALTERED, "the record's hash is not that of its content")
    if (record.tenant_id, record.sequence) != (tenant_id, expected):
        where = f"record {record.sequence} of {record.tenant_id}"
        return _bad(expected, FaultKind.MOVED, f"in its place stands {where}")
    if record.previous_hash != after.hash:
        return _bad(expected, FaultKind.UNLINKED, "the record does not follow the one before it")
    return None


def end_fault(last: Link, head: Link, anchors: Sequence[Link]) -> Fault | None:
    """What is wrong with where a sound chain ends: not before its head nor any anchor, and at its head.

    A head that lies beyond the last record is one that was cut off, if it was read before the records.
    """
    furthest = max([head.sequence, *(anchor.sequence for anchor in anchors)])
    if furthest > last.sequence:
        return _bad(
            last.sequence + 1,
            FaultKind.TRUNCATED,
            f"the chain ends here, and has reached record {furthest} before",
        )
    if head != last:
        return _bad(
            min(head.sequence + 1, last.sequence),
            FaultKind.HEAD_MISMATCH,
            f"the chain's head names record {head.sequence}, its last record is {last.sequence}",
        )
    return None


def anchor_fault(links: Sequence[Link], anchors: Sequence[Link]) -> Fault | None:
    """The first link that is not what was anchored of its number."""
    hashes = {link.sequence: link.hash for link in links}
    for anchor in anchors:
        if hashes.get(anchor.sequence, anchor.hash) != anchor.hash:
            return _bad(
                anchor.sequence,
                FaultKind.ANCHOR_MISMATCH,
                "the record is not the one that was anchored outside of the table",
            )
    return None


def _bad(sequence: int, kind: FaultKind, message: str) -> Fault:
    return Fault(sequence=sequence, kind=kind, message=message)
