"""Proving that what is counted is what there is."""

from dataclasses import dataclass
from enum import StrEnum

from controlplane.errors import ConcurrentChangeError
from controlplane.quotas.model import QuotaCorrected
from controlplane.quotas.ports import Inventory, TenantDirectory, UseCounter
from controlplane.requests import PageRequest

ATTEMPTS = 3


class Finding(StrEnum):
    """`Busy`: the tenant changed during every attempt; the next run looks again."""

    TRUE = "True"
    CORRECTED = "Corrected"
    BUSY = "Busy"


@dataclass(frozen=True)
class Reconciliation:
    """How a page of tenants was found; `next_after` is where to go on, None at the end."""

    findings: dict[str, Finding]
    next_after: str | None


def reconcile_tenants(
    page: PageRequest, *, tenants: TenantDirectory, counter: UseCounter, inventory: Inventory
) -> Reconciliation:
    found = tenants.list_ids(page)
    findings = {
        tenant_id: reconcile_tenant(tenant_id, counter=counter, inventory=inventory)
        for tenant_id in found.items
    }
    return Reconciliation(findings, found.next_after)


def reconcile_tenant(tenant_id: str, *, counter: UseCounter, inventory: Inventory) -> Finding:
    """Compare a tenant's counts with what it has, and correct them if they differ.

    Every change of what is counted moves the count's version: when that is the same before and after the counting,
    nothing came in between.
    """
    for _ in range(ATTEMPTS):
        counted = counter.get(tenant_id)
        found = inventory.count(tenant_id)
        if found == counted.use:
            return Finding.TRUE
        event = QuotaCorrected(tenant_id=tenant_id, counted=counted.use, found=found)
        try:
            counter.correct(tenant_id, counted, event)
        except ConcurrentChangeError:
            continue
        return Finding.CORRECTED
    return Finding.BUSY
