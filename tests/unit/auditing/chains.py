"""Chains to try things on."""

from collections.abc import Sequence

from controlplane.auditing.chain import ChainKeys, link_changes, link_of
from controlplane.auditing.model import START, AuditRecord, Change, Entry
from tests.fakes.clock import START as MOMENT

TENANT = "acme"
KEYS = ChainKeys({1: b"a key", 2: b"another key"})


def change(number: int, tenant_id: str = TENANT, **fields: str | None) -> Change:
    given: dict[str, str | None] = {
        "actor": f"user:{number % 3}",
        "action": "ProjectCreated",
        "resource": f"projects/p{number}",
        "correlation_id": f"c{number}",
        "after": f"{number:064x}",
    }
    return Change.model_validate(
        given | fields | {"tenant_id": tenant_id, "event_id": f"e{number}", "time": MOMENT}
    )


def chain(length: int, tenant_id: str = TENANT, keys: ChainKeys = KEYS) -> list[AuditRecord]:
    """A sound chain, made in steps of different lengths as the recorder makes it."""
    records: list[AuditRecord] = []
    step = 1
    while len(records) < length:
        count = min(step, length - len(records))
        fresh = [change(len(records) + number, tenant_id) for number in range(count)]
        after = link_of(records[-1]) if records else START
        records += link_changes(fresh, after, MOMENT, keys)
        step = step % 3 + 1
    return records


def entries(records: Sequence[AuditRecord]) -> list[Entry]:
    """Each record at the place that it names."""
    return [Entry(record.sequence, record) for record in records]
