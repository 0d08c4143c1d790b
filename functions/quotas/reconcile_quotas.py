"""State machine task: compare the counts of a page of tenants with what they have, and correct them."""

from dataclasses import asdict
from typing import Any

from controlplane.quotas.service import Finding, reconcile_tenants
from controlplane.requests import PageRequest
from controlplane.runtime.observability import logger
from controlplane.runtime.tasks import TaskInput, task
from controlplane.runtime.wiring.quotas import inventory, tenant_directory, use_counter

TENANTS_A_PAGE = 25


class ReconcileInput(TaskInput):
    """Where the page begins; None for the first."""

    after: str | None = None


@task(ReconcileInput.model_validate)
def lambda_handler(given: ReconcileInput) -> dict[str, Any]:
    """`findings` by tenant (`True`, `Corrected`, `Busy`) and `next_after`, null after the last page."""
    done = reconcile_tenants(
        PageRequest(TENANTS_A_PAGE, given.after),
        tenants=tenant_directory(),
        counter=use_counter(),
        inventory=inventory(),
    )
    wrong = {tenant: f for tenant, f in done.findings.items() if f is not Finding.TRUE}
    if wrong:
        logger.warning("quotas did not match what there is", extra={"findings": wrong})
    return asdict(done)
