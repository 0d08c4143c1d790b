"""Tenants over their life: TENANT in the tenant's partition, and their directory under PLATFORM."""

from collections.abc import Mapping
from typing import Any, get_args

from controlplane.adapters.dynamodb_items import (
    ABSENT,
    UNCHANGED,
    VERSION,
    as_item,
    event_attribute,
    seconds,
)
from controlplane.adapters.dynamodb_quotas import quotas_key
from controlplane.adapters.dynamodb_table import (
    Item,
    Key,
    Table,
    TransactionCancelledError,
    Write,
)
from controlplane.adapters.dynamodb_tenants import directory_key, tenant_key
from controlplane.adapters.dynamodb_tiers import read_tier, tier_key
from controlplane.errors import ConcurrentChangeError, IdempotencyKeyReusedError, NotFoundError
from controlplane.identifiers import now
from controlplane.limits import Quota
from controlplane.onboarding.model import TenantEvent, TenantRecord, TenantSummary
from controlplane.onboarding.ports import CreationBasis, TierTerms
from controlplane.requests import IdempotentRequest, Page, PageRequest

PLATFORM_PARTITION = "PLATFORM"
_DIRECTORY = "TENANT#"


def _memory_key(request: IdempotentRequest) -> Key:
    return Key(PLATFORM_PARTITION, f"IDEMPOTENCY#{request.key_digest}")


class DynamoDBTenantRecords:
    """A TenantRepository. Attributes of the item that are not the record's own stay as they are."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str) -> TenantRecord:
        return _record(tenant_id, self._table.get(tenant_key(tenant_id)))

    def get_with_quotas(self, tenant_id: str) -> tuple[TenantRecord, Mapping[Quota, int]]:
        key, used = tenant_key(tenant_id), quotas_key(tenant_id)
        found = self._table.get_many([key, used])
        counted = found.get(used, {})
        quotas: dict[Quota, int] = {name: int(counted.get(name, 0)) for name in get_args(Quota)}
        return _record(tenant_id, found.get(key)), quotas

    def list(self, page: PageRequest) -> Page[TenantSummary]:
        found = self._table.query(PLATFORM_PARTITION, _DIRECTORY, page)
        return Page([TenantSummary.model_validate(item) for item in found.items], found.next_after)

    def read_basis(
        self, tenant_id: str, tier: str, request: IdempotentRequest | None
    ) -> CreationBasis:
        keys = [tenant_key(tenant_id), tier_key(tier)]
        if request is not None:
            keys.append(_memory_key(request))
        found = self._table.get_many(keys)
        known, tier_item = found.get(keys[0]), found.get(keys[1])
        terms = read_tier(tier, tier_item)
        return CreationBasis(
            tenant=_record(tenant_id, known) if known else None,
            terms=TierTerms(terms.name, terms.isolation, terms.limits) if terms else None,
            first_answer=_first_answer(found.get(keys[2]), request) if request else None,
        )

    def save(
        self,
        known: TenantRecord | None,
        changed: TenantRecord,
        event: TenantEvent | None = None,
        request: IdempotentRequest | None = None,
    ) -> TenantRecord:
        stored = changed.with_changes(version=known.version + 1 if known else 1)
        key = tenant_key(stored.tenant_id)
        if known is None:
            writes = [Write(key, item=as_item(key, stored, event), condition=ABSENT)]
        else:
            writes = [_update(key, known, stored, event)]
        summary = _summary(stored)
        if known is None or summary != _summary(known):
            entry = directory_key(stored.tenant_id)
            writes.append(Write(entry, item=as_item(entry, summary)))
        if request is not None:
            writes.append(_remember(stored, request))
        try:
            self._table.transact(writes)
        except TransactionCancelledError as cancelled:
            raise ConcurrentChangeError(
                f"tenant {stored.tenant_id} has changed meanwhile", remedy="Try again."
            ) from cancelled
        return stored


def _record(tenant_id: str, item: Item | None) -> TenantRecord:
    if item is None:
        raise NotFoundError(f"there is no tenant {tenant_id}")
    return TenantRecord.model_validate(item)


def _summary(tenant: TenantRecord) -> TenantSummary:
    return TenantSummary.model_validate(tenant.model_dump())


def _update(
    key: Key, known: TenantRecord, stored: TenantRecord, event: TenantEvent | None
) -> Write:
    """Set what has changed and remove what is gone: others keep attributes of their own in the item."""
    before = known.model_dump(mode="json", exclude_none=True)
    after = stored.model_dump(mode="json", exclude_none=True)
    changed: dict[str, Any] = {
        name: value for name, value in after.items() if before.get(name) != value
    }
    if event is not None:
        changed["event"] = event_attribute(event)
    gone = sorted(before.keys() - after.keys())
    names = {f"#{name}": name for name in [*changed, *gone]}
    update = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
    if gone:
        update += " REMOVE " + ", ".join(f"#{name}" for name in gone)
    return Write(
        key,
        kind="update",
        update=update,
        condition=UNCHANGED,
        names=names | VERSION,
        values={f":{name}": value for name, value in changed.items()} | {":known": known.version},
    )


def _remember(stored: TenantRecord, request: IdempotentRequest) -> Write:
    """The first answer to a request, for as long as it may be repeated; it needs no person's address."""
    answer = stored.with_changes(administrator=None)
    return Write(
        _memory_key(request),
        item={
            "body_digest": request.body_digest,
            "answer": answer.model_dump(mode="json", exclude_none=True),
            "expires_at": seconds(request.expires_at),
        },
        condition="attribute_not_exists(pk) OR expires_at < :now",
        values={":now": seconds(now())},
    )


def _first_answer(remembered: Item | None, request: IdempotentRequest) -> TenantRecord | None:
    if remembered is None or remembered["expires_at"] < seconds(now()):
        return None
    if remembered["body_digest"] != request.body_digest:
        raise IdempotencyKeyReusedError(
            "this Idempotency-Key came with another body before", remedy="Send a new key."
        )
    return TenantRecord.model_validate(remembered["answer"])
