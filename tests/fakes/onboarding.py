"""Tenants over their life, the parts that they have outside their item, and crashes in between."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controlplane.errors import ConcurrentChangeError, NotFoundError
from controlplane.limits import Isolation, Limits, Quota
from controlplane.onboarding.model import TenantEvent, TenantRecord, TenantSummary
from controlplane.onboarding.plan import ENDING, MAKING
from controlplane.onboarding.ports import CreationBasis, Removal, TierTerms
from controlplane.requests import IdempotentRequest, Page, PageRequest
from tests.fakes.table import page_of

TIERS = {
    "standard": TierTerms("standard", Isolation.SHARED, Limits()),
    "dedicated": TierTerms("dedicated", Isolation.DEDICATED, Limits(gpus=8)),
}


class CrashedError(Exception):
    """A function died in the middle of its work."""


class BrokenError(Exception):
    """A part cannot be made or removed, however often it is tried."""


@dataclass
class Crashes:
    """Every moment at which a function may die; `at` is the one at which it does, once.

    `forever` are parts whose effect fails each time it is tried.
    """

    at: int | None = None
    forever: str | None = None
    moments: list[str] = field(default_factory=list)

    def pass_by(self, moment: str) -> None:
        self.moments.append(moment)
        if self.at is not None and len(self.moments) == self.at:
            raise CrashedError(moment)


@dataclass
class MemoryTenantRecords:
    """A TenantRepository. `events` are those of the changes, in order."""

    crashes: Crashes = field(default_factory=Crashes)
    tiers: Mapping[str, TierTerms] = field(default_factory=lambda: TIERS)
    tenants: dict[str, TenantRecord] = field(default_factory=dict)
    directory: dict[str, TenantSummary] = field(default_factory=dict)
    quotas: dict[Quota, int] = field(default_factory=dict)
    answers: dict[str, TenantRecord] = field(default_factory=dict)
    events: list[TenantEvent] = field(default_factory=list)
    interrupt: Callable[[], None] | None = None

    def get(self, tenant_id: str) -> TenantRecord:
        if tenant_id not in self.tenants:
            raise NotFoundError(f"there is no tenant {tenant_id}")
        return self.tenants[tenant_id]

    def get_with_quotas(self, tenant_id: str) -> tuple[TenantRecord, Mapping[Quota, int]]:
        return self.get(tenant_id), self.quotas

    def list(self, page: PageRequest) -> Page[TenantSummary]:
        return page_of(self.directory, page)

    def read_basis(
        self, tenant_id: str, tier: str, request: IdempotentRequest | None
    ) -> CreationBasis:
        first = self.answers.get(request.key_digest) if request else None
        return CreationBasis(self.tenants.get(tenant_id), self.tiers.get(tier), first)

    def save(
        self,
        known: TenantRecord | None,
        changed: TenantRecord,
        event: TenantEvent | None = None,
        request: IdempotentRequest | None = None,
    ) -> TenantRecord:
        pending, self.interrupt = self.interrupt, None
        if pending is not None:
            pending()
        self.crashes.pass_by("before a record")
        present = self.tenants.get(changed.tenant_id)
        if (present.version if present else None) != (known.version if known else None):
            raise ConcurrentChangeError("the tenant has changed meanwhile")
        stored = changed.with_changes(version=(known.version if known else 0) + 1)
        # As the table does: what is stored is the JSON form, nothing else.
        stored = TenantRecord.model_validate_json(stored.model_dump_json())
        self.tenants[stored.tenant_id] = stored
        summary = stored.model_dump(include=set(TenantSummary.model_fields))
        self.directory[stored.tenant_id] = TenantSummary.model_validate(summary)
        if event is not None:
            self.events.append(event)
        if request is not None:
            self.answers[request.key_digest] = stored
        self.crashes.pass_by("after a record")
        return stored


@dataclass
class MemoryPart:
    """A TenantPart that makes two objects, and removes one a call."""

    name: str
    objects: set[str]
    crashes: Crashes

    def apply(self, tenant: TenantRecord, /) -> str | None:
        self._begin("apply")
        if self.name == "storage-access":
            return "there is nothing to make here"
        self.objects |= self._own(tenant.tenant_id)
        self.crashes.pass_by(f"after apply {self.name}")
        return None

    def remove(self, tenant: TenantRecord, _position: str | None, /) -> Removal:
        self._begin("remove")
        own = self.objects & self._own(tenant.tenant_id)
        if own:
            self.objects.remove(min(own))
        self.crashes.pass_by(f"after remove {self.name}")
        return Removal(gone=len(own) <= 1, count=min(1, len(own)))

    def _begin(self, work: str) -> None:
        self.crashes.pass_by(f"before {work} {self.name}")
        if self.crashes.forever == f"{work} {self.name}":
            raise BrokenError(self.crashes.forever)

    def _own(self, tenant_id: str) -> set[str]:
        return {f"{self.name}/{tenant_id}/{number}" for number in (1, 2)}


def memory_parts(objects: set[str], crashes: Crashes) -> dict[str, MemoryPart]:
    """Every part that onboarding makes or offboarding removes."""
    names = {name for name, _ in (*MAKING, *ENDING)}
    return {name: MemoryPart(name, objects, crashes) for name in names}
