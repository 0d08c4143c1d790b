"""HTTP API of the audit trail: look records up, and check that none was removed or altered."""

from datetime import datetime
from typing import Annotated, Self

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, BaseModel

from controlplane.auditing.model import START, AuditRecord, Fault, Filter, Link, Verification
from controlplane.auditing.verification import verify_chain
from controlplane.identifiers import PLATFORM
from controlplane.requests import PageRequest
from controlplane.runtime.caller import known_principal
from controlplane.runtime.cursors import open_cursor, seal_cursor
from controlplane.runtime.http import BASE, Cursor, Limit, Listing, answer, create_api, serve
from controlplane.runtime.wiring.auditing import audit_anchors, audit_trail, chain_keys
from controlplane.runtime.wiring.tables import cursor_key

PATH = f"{BASE}/audit"
Since = Annotated[AwareDatetime | None, Query(description="Not before this time")]
Until = Annotated[AwareDatetime | None, Query(description="Before this time")]
Actor = Annotated[
    str, Query(max_length=200, description="Who acted: `user:<subject>`, `key:<id>` or `system`")
]
Resource = Annotated[
    str,
    Query(max_length=500, description="A resource, such as `projects/vision`, or what is below it"),
]

api = create_api()


class AuditRecordView(BaseModel):
    """One change. `before` and `after` are SHA-256 digests of the changed item; `hash` chains the record.

    `intact` tells whether the record is as it was made; that none is missing, `/audit/verification` tells.
    """

    sequence: int
    time: datetime
    recorded_at: datetime
    actor: str
    action: str
    resource: str
    event_id: str
    correlation_id: str
    causation_id: str | None
    before: str | None
    after: str | None
    details: dict[str, str | int]
    previous_hash: str
    hash: str
    intact: bool

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        shown = record.model_dump() | {"intact": chain_keys().made(record)}
        return cls.model_validate(shown)


class HeadView(BaseModel):
    """Where the chain ends."""

    sequence: int
    hash: str


class VerificationView(BaseModel):
    """What was checked in this call. The chain is intact if every call up to the one without `next` found no fault."""

    intact: bool
    complete: bool
    checked: int
    verified_to: int
    head: HeadView
    fault: Fault | None
    next: str | None

    @classmethod
    def of(cls, found: Verification, next_cursor: str | None) -> Self:
        return cls(
            intact=found.fault is None,
            complete=found.complete,
            checked=found.checked,
            verified_to=found.fault.sequence - 1 if found.fault else found.last.sequence,
            head=HeadView(sequence=found.head.sequence, hash=found.head.hash),
            fault=found.fault,
            next=next_cursor,
        )


@api.get(
    PATH,
    operation_id="listAuditRecords",
    summary="List audit records by time, actor or resource, the latest first",
    tags=["auditing"],
)
def list_audit_records(
    since: Since = None,
    until: Until = None,
    actor: Actor = "",
    resource: Resource = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response[Listing[AuditRecordView]]:
    tenant_id = _audited_tenant()
    wanted = Filter(since, until, actor or None, resource.strip("/") or None)
    # A cursor is a place in one index, and good for no other.
    listing = f"{PATH}?{wanted.actor or ''}&{wanted.resource or ''}"
    after = open_cursor(cursor_key(), tenant_id, listing, cursor) if cursor else None
    page = audit_trail().find(tenant_id, wanted, PageRequest(limit, after))
    sealed = page.next_after and seal_cursor(cursor_key(), tenant_id, listing, page.next_after)
    views = [AuditRecordView.of(record) for record in page.items]
    return answer(Listing(items=views, next=sealed))


@api.get(
    f"{PATH}/verification",
    operation_id="verifyAudit",
    summary="Check a stretch of the audit chain: nothing removed, altered, reordered or cut off",
    tags=["auditing"],
)
def verify_audit(limit: Limit = 100, cursor: Cursor = "") -> Response[VerificationView]:
    tenant_id = _audited_tenant()
    found = verify_chain(
        tenant_id,
        _open_link(tenant_id, cursor) if cursor else START,
        limit,
        trail=audit_trail(),
        anchors=audit_anchors(),
        keys=chain_keys(),
    )
    goes_on = found.fault is None and not found.complete
    return answer(
        VerificationView.of(found, _seal_link(tenant_id, found.last) if goes_on else None)
    )


def _audited_tenant() -> str:
    """Whose chain is asked for: the caller's tenant's, or the platform's."""
    _, tenant = known_principal(api)
    return tenant.tenant_id if tenant else PLATFORM


def _seal_link(tenant_id: str, link: Link) -> str:
    place = f"{link.sequence}:{link.hash}"
    return seal_cursor(cursor_key(), tenant_id, f"{PATH}/verification", place)


def _open_link(tenant_id: str, cursor: str) -> Link:
    place = open_cursor(cursor_key(), tenant_id, f"{PATH}/verification", cursor)
    sequence, _, link_hash = place.partition(":")
    return Link(int(sequence), link_hash)


lambda_handler = serve(api)
