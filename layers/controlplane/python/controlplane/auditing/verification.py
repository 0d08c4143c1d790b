"""Checking a chain, one bounded stretch after the other."""

from collections.abc import Sequence

from controlplane.auditing.chain import (
    ChainKeys,
    anchor_fault,
    end_fault,
    first_fault,
    link_of,
)
from controlplane.auditing.model import Fault, Link, Verification
from controlplane.auditing.ports import Anchors, AuditTrail


def verify_chain(
    tenant_id: str,
    after: Link,
    limit: int,
    *,
    trail: AuditTrail,
    anchors: Anchors,
    keys: ChainKeys,
) -> Verification:
    """Check up to `limit` records after a link that is known to be sound; START for the chain's beginning.

    The recorder may be at work: anchors and head are read before the records, which then reach at least as far.
    """
    anchored = anchors.after(tenant_id, after.sequence)
    head = trail.head(tenant_id)
    page = trail.entries(tenant_id, after.sequence, limit)
    entries, complete = page.items, page.next_after is None
    links = [link_of(entry.record) for entry in entries if entry.record is not None]
    last = links[-1] if links else after
    fault = first_fault(tenant_id, entries, after, keys) or anchor_fault(links, anchored)
    if fault is None and complete:
        fault, head = _end_fault(tenant_id, last, head, anchored, trail)
    checked = len(links) if fault is None else fault.sequence - after.sequence - 1
    return Verification(checked, last, head, complete, fault)


def _end_fault(
    tenant_id: str, last: Link, head: Link, anchored: Sequence[Link], trail: AuditTrail
) -> tuple[Fault | None, Link]:
    """What is wrong with the chain's end, and its head: where more was recorded meanwhile, as it is now."""
    fault = end_fault(last, head, anchored)
    if fault is None or head.sequence >= last.sequence:
        return fault, head
    head = trail.head(tenant_id)
    return (None if head.sequence > last.sequence else end_fault(last, head, anchored)), head
